import type { LoadFile } from './files.ts'
import type { KeyPath, Mistakes } from './issues.ts'
import type { UpstreamEntry } from './schema.ts'

interface Login {
  readonly username: string
  readonly password: string
  /** Where the password came from, when it came from a file. */
  readonly passwordFile?: string
}

/** Where an upstream's credentials come from; at most one of them. */
export interface CredentialsConfig {
  readonly credentials?: Login
  readonly credentialHelper?: string
  /** Absolute. */
  readonly dockerConfig?: string
}

const SOURCES = ['dockerConfig', 'credentialHelper', 'username'] as const

/** Files are looked at now, so that a wrong name is found at the start; they are read again when they are used. @throws ConfigError */
export async function resolveCredentials(
  at: KeyPath,
  entry: UpstreamEntry,
  mistakes: Mistakes,
  load: LoadFile,
): Promise<CredentialsConfig> {
  const [source, other] = SOURCES.filter((key) => entry[key] !== undefined)
  if (source !== undefined && other !== undefined) {
    throw mistakes.value([...at, source], `${other} is given too: only one of them is allowed`)
  }
  const credentials = await resolveLogin(at, entry, mistakes, load)
  const { credentialHelper, dockerConfig: name } = entry
  const dockerConfig = name === undefined ? undefined : await dockerConfigPath(at, name, mistakes, load)
  return {
    ...(credentials && { credentials }),
    ...(credentialHelper !== undefined && { credentialHelper }),
    ...(dockerConfig !== undefined && { dockerConfig }),
  }
}

async function resolveLogin(
  at: KeyPath,
  { username, password, passwordFile }: UpstreamEntry,
  mistakes: Mistakes,
  load: LoadFile,
): Promise<Login | undefined> {
  const secretKey = password === undefined ? 'passwordFile' : 'password'
  if (password !== undefined && passwordFile !== undefined) {
    throw mistakes.value([...at, 'passwordFile'], 'password is given too: only one of them is allowed')
  }
  if (username === undefined) {
    if (password === undefined && passwordFile === undefined) return undefined
    throw mistakes.key([...at, 'username'], `must be given where ${secretKey} is`)
  }
  if (password !== undefined) return { username, password }
  if (passwordFile === undefined) {
    throw mistakes.key([...at, 'password'], 'or passwordFile must be given where username is')
  }
  const { path, text } = await load([...at, 'passwordFile'], passwordFile)
  if (text.trim() === '') throw mistakes.value([...at, 'passwordFile'], 'must be a file that is not empty')
  return { username, password: text.trim(), passwordFile: path }
}

async function dockerConfigPath(
  at: KeyPath,
  name: string,
  mistakes: Mistakes,
  load: LoadFile,
): Promise<string> {
  const { path, text } = await load([...at, 'dockerConfig'], name)
  if (!isJsonObject(text)) throw mistakes.value([...at, 'dockerConfig'], "must be a config.json of Docker's")
  return path
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
}
