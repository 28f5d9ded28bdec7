import type { RequestListener } from 'node:http'
import type { Logger } from 'pino'
import { adminAccess } from '../../admin/admin-access.ts'
import { clientOf } from '../../admin/audited.ts'
import { adminApp, type AdminAppOptions } from '../../admin/admin-routes.ts'
import { dashboardAssets } from '../dashboard-assets.ts'
import { readiness } from '../../admin/health.ts'
import { waitingApp } from '../../admin/waiting-app.ts'
import { adminToken } from '../../config/admin-token.ts'
import type { AdminConfig } from '../../config/listeners.ts'
import type { Config } from '../../config/load-config.ts'
import { listen } from '../../http/server/http-server.ts'
import { inTurns } from '../../http/server/in-turns.ts'
import { Turns } from '../../http/server/turns.ts'
import type { ListenerTelemetry } from '../../ports/telemetry.ts'
import { parseImagePattern } from '../../oci/image-pattern.ts'
import { addressGroup } from '../../util/address-group.ts'
import { cidrList, LOOPBACK } from '../../util/cidr.ts'
import type { Observation } from '../observation.ts'
import { reloadTls, tlsFrom } from './listener-tls.ts'
import { type Listening, listening } from './listening.ts'
import { paced } from './paced.ts'
import { reloadOnChange } from '../reload-on-change.ts'
import type { UpstreamNames } from '../../oci/upstream-names.ts'

type Reports = Pick<Observation, 'audit'> & { readonly server: ListenerTelemetry }

export interface AdminListenerOptions
  extends
    Reports,
    Pick<
      AdminAppOptions,
      | 'metrics'
      | 'transfers'
      | 'history'
      | 'operations'
      | 'details'
      | 'insight'
      | 'jobs'
      | 'jobRoutes'
      | 'events'
      | 'time'
      | 'rehearsals'
      | 'now'
    > {
  /** The names that patterns may have: of upstreams that are or were configured, or have stored content. */
  readonly upstreams: () => UpstreamNames
  readonly isDraining: () => boolean
  /** Writes something to the store and removes it. */
  readonly probeStore: () => Promise<void>
}

/** The listener for operators. Disposing it closes it. */
export interface AdminListener extends AsyncDisposable {
  /**
   * Opens it before the start is over: it tells that the process lives, and is not ready for `reason`. Where
   * its port is taken, by the process that is waited for, it stays closed till `open`.
   */
  openWaiting(reason: string, reports: Reports): void
  /**
   * Opens it, or answers what it is there for where it is open.
   *
   * @returns undefined when the configuration turns it off
   * @throws what `listen` throws
   */
  open(options: AdminListenerOptions): Promise<Listening | undefined>
}

export function adminListener({ admin: config }: Pick<Config, 'admin'>, log: Logger): AdminListener {
  let app: RequestListener
  let early: Promise<Listening | undefined> | undefined

  return {
    openWaiting(reason, reports) {
      app = waitingApp(reason)
      early = start(reports).catch((err: unknown) => {
        log.info({ listener: 'admin', err }, 'health is not answered before the store is open')
        return undefined
      })
    },
    async open({ upstreams, isDraining, probeStore, ...options }) {
      const opened = await early
      app = adminApp({
        assets: dashboardAssets(),
        ...options,
        ready: readiness({ isDraining, probeStore }),
        parsePattern: (text) => parseImagePattern(text, upstreams()),
        failed: (err) => log.error({ err }, 'a request to the admin API failed'),
      })
      return opened ?? start(options)
    },
    async [Symbol.asyncDispose]() {
      await (await early)?.close(0)
    },
  }

  async function start({ audit, server: counted }: Reports): Promise<Listening | undefined> {
    if (config === false) return undefined
    const { host, port, tls, hosts, access } = config
    await using opening = new AsyncDisposableStack()
    const restricted = adminAccess({
      isLocal: cidrList(LOOPBACK),
      ...(access.networks && { isServed: cidrList(access.networks) }),
      hosts: [host, ...hosts].map((name) => name.toLowerCase()),
      token: currentToken(config, opening, log),
      refused: (incoming) =>
        audit.record({
          action: 'login',
          ...clientOf(incoming),
          by: 'admin.token',
          target: 'admin API',
          result: 'refused',
        }),
    })
    const answer = inTurns(
      paced(restricted((incoming, outgoing) => app(incoming, outgoing))),
      ({ socket }) => addressGroup(socket.remoteAddress ?? ''),
      new Turns(),
    )
    const server = await listen(answer, { host, port, timeouts: TIMEOUTS, ...(tls && { tls: tlsFrom(tls) }) })
    if (tls) opening.use(reloadTls(server, tls, { listener: 'admin', telemetry: counted, log }))
    log.info({ listener: 'admin', host, port: server.port }, 'listening')
    return listening(server, opening.move())
  }
}

/** An archive that is imported may take hours, and ends when its bytes stall. */
const TIMEOUTS = { request: 24 * 3_600_000 }

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
