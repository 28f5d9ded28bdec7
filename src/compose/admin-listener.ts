import type { Logger } from 'pino'
import { adminAccess } from '../admin/admin-access.ts'
import { clientOf } from '../admin/audited.ts'
import { adminApp, type AdminAppOptions } from '../admin/admin-routes.ts'
import { readiness } from '../admin/health.ts'
import { adminToken } from '../config/admin-token.ts'
import type { AdminConfig } from '../config/listeners.ts'
import type { Config } from '../config/load-config.ts'
import { listen } from '../http/server/http-server.ts'
import type { ListenerTelemetry } from '../ports/telemetry.ts'
import { parseImagePattern } from '../oci/image-pattern.ts'
import { cidrList, LOOPBACK } from '../util/cidr.ts'
import { reloadTls, tlsFrom } from './listener-tls.ts'
import { type Listening, listening } from './listening.ts'
import { reloadOnChange } from './reload-on-change.ts'

export interface AdminListenerOptions extends Pick<
  AdminAppOptions,
  | 'metrics'
  | 'transfers'
  | 'history'
  | 'operations'
  | 'details'
  | 'insight'
  | 'audit'
  | 'jobs'
  | 'jobRoutes'
  | 'events'
  | 'trust'
  | 'drift'
  | 'rehearsals'
> {
  readonly server: ListenerTelemetry
  /** The names that patterns may have: of upstreams that are or were configured, or have stored content. */
  readonly upstreams: () => readonly string[]
  readonly isDraining: () => boolean
  /** Writes something to the store and removes it. */
  readonly probeStore: () => Promise<void>
  readonly log: Logger
}

/**
 * Opens the listener for operators.
 *
 * @returns undefined when the configuration turns it off
 * @throws what `listen` throws
 */
export async function openAdminListener(
  { admin: config }: Pick<Config, 'admin'>,
  { server: counted, upstreams, isDraining, probeStore, log, ...options }: AdminListenerOptions,
): Promise<Listening | undefined> {
  if (config === false) return undefined
  const { host, port, tls, hosts, access } = config
  await using opening = new AsyncDisposableStack()
  const restricted = adminAccess({
    isLocal: cidrList(LOOPBACK),
    ...(access.networks && { isServed: cidrList(access.networks) }),
    hosts: [host, ...hosts].map((name) => name.toLowerCase()),
    token: currentToken(config, opening, log),
    refused: (incoming) =>
      options.audit.record({
        action: 'login',
        ...clientOf(incoming),
        by: 'admin.token',
        target: 'admin API',
        result: 'refused',
      }),
  })
  const app = adminApp({
    ...options,
    ready: readiness({ isDraining, probeStore }),
    parsePattern: (text) => parseImagePattern(text, upstreams()),
    failed: (err) => log.error({ err }, 'a request to the admin API failed'),
  })
  const server = await listen(restricted(app), { host, port, ...(tls && { tls: tlsFrom(tls) }) })
  if (tls) opening.use(reloadTls(server, tls, { listener: 'admin', telemetry: counted, log }))
  log.info({ listener: 'admin', host, port: server.port }, 'listening')
  return listening(server, opening.move())
}

/** The configured token, which changes with its file. */
function currentToken(
  { token, tokenFile }: Pick<AdminConfig, 'token' | 'tokenFile'>,
  resources: AsyncDisposableStack,
  log: Logger,
): () => string | undefined {
  let current = token
  if (tokenFile) {
    resources.use(reloadOnChange([tokenFile], ([text]) => (current = adminToken(text!)), log))
  }
  return () => current
}
