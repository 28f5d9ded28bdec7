import { createSecureContext } from 'node:tls'
import type { z } from 'zod'
import type { accessSchema, adminSchema, listenSchema } from './access-schema.ts'
import { adminToken } from './admin-token.ts'
import type { LoadedFile, LoadFile } from './files.ts'
import { parseHtpasswd } from './htpasswd.ts'
import type { KeyPath, Mistakes } from './issues.ts'
import { loadCertificates } from './upstreams.ts'

type ListenEntry = z.output<typeof listenSchema>
type AdminEntry = z.output<typeof adminSchema>
type AccessEntry = z.output<typeof accessSchema>

export interface TlsConfig {
  readonly cert: LoadedFile
  readonly key: LoadedFile
  readonly clientCa?: LoadedFile
  /** Where `clientCa` is given. */
  readonly clientAuth?: 'require' | 'optional'
}

export type ListenConfig = Omit<ListenEntry, 'tls'> & { readonly tls?: TlsConfig }
export type AdminConfig = Omit<Exclude<AdminEntry, false>, 'tls' | 'token' | 'tokenFile'> & {
  readonly tls?: TlsConfig
  readonly token?: string
  /** Where the token came from, when it came from a file. */
  readonly tokenFile?: LoadedFile
}
export type AccessConfig = Omit<AccessEntry, 'htpasswd'> & { readonly htpasswd?: LoadedFile }

/** @throws ConfigError */
export async function resolveListen(
  { tls, ...rest }: ListenEntry,
  mistakes: Mistakes,
  load: LoadFile,
): Promise<ListenConfig> {
  return { ...rest, ...(tls && { tls: await loadTls(['listen', 'tls'], tls, mistakes, load) }) }
}

/** @throws ConfigError */
export async function resolveAdmin(
  entry: AdminEntry,
  mistakes: Mistakes,
  load: LoadFile,
): Promise<AdminConfig | false> {
  if (entry === false) return false
  const { tls, token, tokenFile, ...rest } = entry
  const at = ['admin', 'tokenFile']
  if (token !== undefined && tokenFile !== undefined) {
    throw mistakes.value(at, 'token is given too: only one of them is allowed')
  }
  const file = tokenFile === undefined ? undefined : await load(at, tokenFile)
  const secret = file === undefined ? token : parsed(file, adminToken, at, mistakes)
  return {
    ...rest,
    ...(tls && { tls: await loadTls(['admin', 'tls'], tls, mistakes, load) }),
    ...(secret !== undefined && { token: secret }),
    ...(file && { tokenFile: file }),
  }
}

/** @throws ConfigError */
export async function resolveAccess(
  { htpasswd, ...rest }: AccessEntry,
  { tls }: ListenConfig,
  mistakes: Mistakes,
  load: LoadFile,
): Promise<AccessConfig> {
  const canSay = htpasswd !== undefined || rest.oidc !== undefined || tls?.clientCa !== undefined
  const needed = canSay ? -1 : (rest.rules ?? []).findIndex(({ identity }) => identity !== undefined)
  if (needed >= 0) {
    const what = 'can be nobody’s: access.htpasswd, access.oidc or listen.tls.clientCa is needed'
    throw mistakes.key(['access', 'rules', needed, 'identity'], what)
  }
  if (htpasswd === undefined) return rest
  const at = ['access', 'htpasswd']
  const file = await load(at, htpasswd)
  parsed(file, parseHtpasswd, at, mistakes)
  return { ...rest, htpasswd: file }
}

function parsed<T>({ text }: LoadedFile, parse: (text: string) => T, at: KeyPath, mistakes: Mistakes): T {
  try {
    return parse(text)
  } catch (error) {
    throw mistakes.value(at, (error as Error).message)
  }
}

async function loadTls(
  at: KeyPath,
  names: NonNullable<ListenEntry['tls']>,
  mistakes: Mistakes,
  load: LoadFile,
): Promise<TlsConfig> {
  const { clientCa, clientAuth } = names
  const cert = await load([...at, 'cert'], names.cert)
  const key = await load([...at, 'key'], names.key)
  try {
    createSecureContext({ cert: cert.text, key: key.text })
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    throw mistakes.value(at, `must be a PEM certificate and the key that belongs to it (${code})`)
  }
  if (clientCa === undefined) {
    if (clientAuth === undefined) return { cert, key }
    throw mistakes.key([...at, 'clientCa'], 'must be given where clientAuth is')
  }
  const authorities = await loadCertificates([...at, 'clientCa'], clientCa, mistakes, load)
  return { cert, key, clientCa: authorities, clientAuth: clientAuth ?? 'require' }
}
