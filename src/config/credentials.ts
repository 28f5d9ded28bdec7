import { parseJsonObject } from '../util/json-object.ts'
import type { LoadFile } from './files.ts'
import type { KeyPath, Issues } from './issues.ts'
import type { UpstreamEntry } from './schema/file-schema.ts'

interface Login {
  readonly username: string
  readonly password: string
  /** The file that the password came from, if any. */
  readonly passwordFile?: string
}

/** The source of an upstream's credentials; at most one is given. */
export interface CredentialsConfig {
  readonly credentials?: Login
  readonly credentialHelper?: string
  /** Absolute. */
  readonly dockerConfig?: string
}

const SOURCES = ['dockerConfig', 'credentialHelper', 'username'] as const

/**
 * Reads the files now, so that a wrong name is found at the start. They are read again when they are used.
 *
 * @throws ConfigIssue
 */
export async function resolveCredentials(
  at: KeyPath,
  entry: UpstreamEntry,
  issues: Issues,
  load: LoadFile,
): Promise<CredentialsConfig> {
  const [source, other] = SOURCES.filter((key) => entry[key] !== undefined)
  if (source !== undefined && other !== undefined) {
    throw issues.value([...at, source], `cannot be combined with ${other}`)
  }
  const credentials = await resolveLogin(at, entry, issues, load)
  const { credentialHelper, dockerConfig: name } = entry
  const dockerConfig = name === undefined ? undefined : await dockerConfigPath(at, name, issues, load)
  return {
    ...(credentials && { credentials }),
    ...(credentialHelper !== undefined && { credentialHelper }),
    ...(dockerConfig !== undefined && { dockerConfig }),
  }
}

async function resolveLogin(
  at: KeyPath,
  { username, password, passwordFile }: UpstreamEntry,
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
