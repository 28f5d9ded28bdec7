import { type Cloud, isRegistryOf, REGISTRIES_OF } from '../../util/cloud-registries.ts'
import { parseJsonObject } from '../../util/json-object.ts'
import type { LoadFile } from '../files.ts'
import type { KeyPath, Issues } from '../issues.ts'
import type { UpstreamEntry, WayEntry } from '../schema/upstream-schema.ts'

interface Login {
  readonly username: string
  readonly password: string
  /** The file that the password came from, if any. */
  readonly passwordFile?: string
}

interface RepositoryLogin extends Login {
  /** A pattern of repositories. */
  readonly match: string
}

/**
 * The sources of an upstream's credentials. Of `login`, `credentialHelper`, `dockerConfig` and `cloud` at most
 * one is given.
 */
export interface CredentialsConfig {
  readonly login?: Login
  readonly credentialHelper?: string
  /** Absolute. */
  readonly dockerConfig?: string
  readonly cloud?: Cloud
  /** Those of single repositories: the first that matches wins over the others. */
  readonly credentials?: readonly RepositoryLogin[]
}

const SOURCES = ['dockerConfig', 'credentialHelper', 'username'] as const

type Given = Pick<UpstreamEntry, 'credentials' | 'insecure' | (typeof SOURCES)[number]>

/**
 * Reads the files now, so that a wrong name is found at the start. They are read again when they are used.
 *
 * @throws ConfigIssue
 */
export async function resolveCredentials(
  at: KeyPath,
  entry: WayEntry,
  url: string,
  issues: Issues,
  load: LoadFile,
): Promise<CredentialsConfig> {
  const cloud = cloudOf(at, entry, url, issues)
  const credentials = await resolveRepositoryLogins(at, entry, issues, load)
  const [source, other] = SOURCES.filter((key) => entry[key] !== undefined)
  if (source !== undefined && other !== undefined) {
    throw issues.value([...at, source], `cannot be combined with ${other}`)
  }
  const login = await resolveLogin(at, entry, issues, load)
  const { credentialHelper, dockerConfig: name } = entry
  const dockerConfig = name === undefined ? undefined : await dockerConfigPath(at, name, issues, load)
  return {
    ...(login && { login }),
    ...(credentials && { credentials }),
    ...(credentialHelper !== undefined && { credentialHelper }),
    ...(dockerConfig !== undefined && { dockerConfig }),
    ...(cloud && { cloud }),
  }
}

/**
 * The login of a cloud is shown to its registries alone, over TLS that is verified.
 *
 * @throws ConfigIssue
 */
function cloudOf(at: KeyPath, entry: Given, url: string, issues: Issues): Cloud | undefined {
  const { credentials: cloud, insecure } = entry
  if (typeof cloud !== 'string') return undefined
  const key = [...at, 'credentials']
  const other = SOURCES.find((source) => entry[source] !== undefined)
  if (other !== undefined) throw issues.value(key, `cannot be combined with ${other}`)
  if (insecure === true) throw issues.value(key, 'cannot be combined with insecure')
  const { protocol, host } = new URL(url)
  if (protocol === 'https:' && isRegistryOf(cloud, host)) return cloud
  throw issues.value(
    key,
    `works for ${REGISTRIES_OF[cloud]} by https only, and the url of this upstream is ${url}`,
  )
}

async function resolveRepositoryLogins(
  at: KeyPath,
  { credentials }: WayEntry,
  issues: Issues,
  load: LoadFile,
): Promise<readonly RepositoryLogin[] | undefined> {
  if (credentials === undefined || typeof credentials === 'string') return undefined
  const logins: RepositoryLogin[] = []
  for (const [i, entry] of credentials.entries()) {
    const key = [...at, 'credentials', i]
    const first = credentials.findIndex(({ match }) => match === entry.match)
    if (first < i) issues.add(issues.value([...key, 'match'], `credentials[${first}] has that match already`))
    const login = await issues.collect(() => resolveLogin(key, entry, issues, load))
    if (login !== undefined) logins.push({ match: entry.match, ...login })
  }
  return logins
}

/** A user and a password, or the file that has it. @throws ConfigIssue */
export async function resolveLogin(
  at: KeyPath,
  { username, password, passwordFile }: Pick<UpstreamEntry, 'username' | 'password' | 'passwordFile'>,
  issues: Issues,
  load: LoadFile,
): Promise<Login | undefined> {
  const secretKey = password === undefined ? 'passwordFile' : 'password'
  if (password !== undefined && passwordFile !== undefined) {
    throw issues.value([...at, 'passwordFile'], 'cannot be combined with password')
  }
  if (username === undefined) {
    if (password === undefined && passwordFile === undefined) return undefined
    throw issues.key([...at, 'username'], `is required with ${secretKey}`)
  }
  if (password !== undefined) return { username, password }
  if (passwordFile === undefined) {
    throw issues.key([...at, 'password'], 'or passwordFile is required with username')
  }
  const { path, text } = await load([...at, 'passwordFile'], passwordFile)
  if (text.trim() === '') throw issues.value([...at, 'passwordFile'], 'must be a file that is not empty')
  return { username, password: text.trim(), passwordFile: path }
}

async function dockerConfigPath(at: KeyPath, name: string, issues: Issues, load: LoadFile): Promise<string> {
  const { path, text } = await load([...at, 'dockerConfig'], name)
  if (parseJsonObject(text) === undefined)
    throw issues.value([...at, 'dockerConfig'], 'must be a Docker config.json')
  return path
}
