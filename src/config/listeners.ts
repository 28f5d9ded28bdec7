import type { z } from 'zod'
import type { accessSchema, adminSchema, listenSchema } from './schema/access-schema.ts'
import { checkPair, PairError } from './certificates.ts'
import { adminToken } from './admin-token.ts'
import type { LoadedFile, LoadFile } from './files.ts'
import { parseHtpasswd } from './htpasswd.ts'
import type { KeyPath, Issues } from './issues.ts'
import { loadCertificates } from './upstreams/way.ts'

type ListenEntry = z.output<typeof listenSchema>
type AdminEntry = z.output<typeof adminSchema>
type AccessEntry = z.output<typeof accessSchema>

export interface TlsConfig {
  readonly cert: LoadedFile
  readonly key: LoadedFile
  readonly clientCa?: LoadedFile
  /** Given with `clientCa`. */
  readonly clientAuth?: 'require' | 'optional'
}

export type ListenConfig = Omit<ListenEntry, 'tls'> & { readonly tls?: TlsConfig }
export type AdminConfig = Omit<Exclude<AdminEntry, false>, 'tls' | 'token' | 'tokenFile'> & {
  readonly tls?: TlsConfig
  readonly token?: string
  /** The file that the token came from, if any. */
  readonly tokenFile?: LoadedFile
}
export type AccessConfig = Omit<AccessEntry, 'htpasswd'> & { readonly htpasswd?: LoadedFile }

/** @throws ConfigIssue */
export async function resolveListen(
  { tls, ...rest }: ListenEntry,
  issues: Issues,
  load: LoadFile,
): Promise<ListenConfig> {
  const loaded = tls && (await loadTls(['listen', 'tls'], tls, issues, load))
  return { ...rest, ...(loaded && { tls: loaded }) }
}

/** @throws ConfigIssue */
export async function resolveAdmin(
  entry: AdminEntry,
  issues: Issues,
  load: LoadFile,
): Promise<AdminConfig | false> {
  if (entry === false) return false
  const { tls, token, tokenFile, ...rest } = entry
  const at = ['admin', 'tokenFile']
  if (token !== undefined && tokenFile !== undefined) {
    throw issues.value(at, 'cannot be combined with token')
  }
  const file = tokenFile === undefined ? undefined : await load(at, tokenFile)
  const secret = file === undefined ? token : parsed(file, adminToken, at, issues)
  const loaded = tls && (await loadTls(['admin', 'tls'], tls, issues, load))
  return {
    ...rest,
    ...(loaded && { tls: loaded }),
    ...(secret !== undefined && { token: secret }),
    ...(file && { tokenFile: file }),
  }
}

const EVERYWHERE = new Set(['0.0.0.0', '::'])

/** Two listeners cannot share a port, unless each has an address of its own. The issue is added. */
export function checkPorts(listen: ListenConfig, admin: AdminConfig, issues: Issues): void {
  const { host, port } = admin
  const isShared = host === listen.host || EVERYWHERE.has(host) || EVERYWHERE.has(listen.host)
  if (port !== listen.port || port === 0 || !isShared) return
  const what = `is ${port}, and so is listen.port: each listener needs a port of its own`
  issues.add(issues.key(['admin', 'port'], what))
}

/** @throws ConfigIssue */
export async function resolveAccess(
  { htpasswd, ...rest }: AccessEntry,
  { tls }: ListenConfig,
  issues: Issues,
  load: LoadFile,
): Promise<AccessConfig> {
  const canSay = htpasswd !== undefined || rest.oidc !== undefined || tls?.clientCa !== undefined
  const needed = canSay ? -1 : (rest.rules ?? []).findIndex(({ identity }) => identity !== undefined)
  if (needed >= 0) {
    const what = 'matches nobody without access.htpasswd, access.oidc or listen.tls.clientCa'
    throw issues.key(['access', 'rules', needed, 'identity'], what)
  }
  if (htpasswd === undefined) return rest
  const at = ['access', 'htpasswd']
  const file = await load(at, htpasswd)
  parsed(file, parseHtpasswd, at, issues)
  return { ...rest, htpasswd: file }
}

function parsed<T>({ text }: LoadedFile, parse: (text: string) => T, at: KeyPath, issues: Issues): T {
  try {
    return parse(text)
  } catch (error) {
    throw issues.value(at, (error as Error).message)
  }
}

/** @returns undefined when there was an issue */
async function loadTls(
  at: KeyPath,
  names: NonNullable<ListenEntry['tls']>,
  issues: Issues,
  load: LoadFile,
): Promise<TlsConfig | undefined> {
  const { clientCa, clientAuth } = names
  const cert = await issues.collect(() => load([...at, 'cert'], names.cert))
  const key = await issues.collect(() => load([...at, 'key'], names.key))
  if (clientCa === undefined && clientAuth !== undefined)
    issues.add(issues.key([...at, 'clientCa'], 'is required with clientAuth'))
  const authorities =
    clientCa === undefined
      ? undefined
      : await issues.collect(() => loadCertificates([...at, 'clientCa'], clientCa, issues, load))
  if (cert === undefined || key === undefined) return undefined
  try {
    checkPair(cert.text, key.text)
  } catch (error) {
    if (!(error instanceof PairError)) throw error
    issues.add(issues.value([...at, error.part], error.message))
  }
  return { cert, key, ...(authorities && { clientCa: authorities, clientAuth: clientAuth ?? 'require' }) }
}
