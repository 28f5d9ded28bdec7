import type { IncomingMessage, RequestListener } from 'node:http'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { Config } from '../../config/load-config.ts'
import { BufferPool } from '../../http/pieces/buffer-pool.ts'
import { ClientRates } from '../../http/client-rates.ts'
import { AccessLog } from '../../http/access-log.ts'
import { registryRequestListener } from '../../http/request-listener.ts'
import { listen } from '../../http/server/http-server.ts'
import { inTurns } from '../../http/server/in-turns.ts'
import { LaterPieces } from '../../http/server/later-pieces.ts'
import { Turns } from '../../http/server/turns.ts'
import type { Advise } from '../../ports/advise.ts'
import type { PeerAccess } from '../../ports/cluster.ts'
import type { Registry } from '../../ports/repository.ts'
import type { RepositorySearch } from '../../ports/search.ts'
import type {
  ListenerTelemetry,
  LoginTelemetry,
  RequestTelemetry,
  ResponseTelemetry,
} from '../../ports/telemetry.ts'
import type { TracedRequests } from '../../tracing/traced-requests.ts'
import { addressGroup } from '../../util/address-group.ts'
import { cidrList } from '../../util/cidr.ts'
import type { LoopGuard } from '../../util/loop-guard.ts'
import { reloadTls, tlsFrom } from './listener-tls.ts'
import { sinkOf } from '../log/logger.ts'
import { type Listening, listening } from './listening.ts'
import { buildRegistryAuth, describeRegistryAuth } from './registry-auth.ts'
import { upstreamNames } from '../../oci/upstream-names.ts'

/**
 * Milliseconds of one turn of the event loop in which blobs begin. A reader takes what its socket holds when it
 * begins, and the last of a thousand that come at once is to have its first bytes within a second.
 */
const BLOB_TURN = 4

export interface RegistryListenerOptions {
  readonly registry: Registry
  readonly search: RepositorySearch
  readonly telemetry: RequestTelemetry
  readonly server: ListenerTelemetry & LoginTelemetry & ResponseTelemetry
  readonly loops: LoopGuard
  readonly advise: Advise
  /** Undefined where tracing is off. */
  readonly tracing: TracedRequests | undefined
  /** Without it, there are no other replicas. */
  readonly peers?: PeerAccess | undefined
  /** As in `BlobSending`. */
  readonly mayRedirect?: ((address: string) => boolean) | undefined
  readonly log: Logger
}

type ServingConfig = Pick<Config, 'access' | 'log' | 'upstreams' | 'warnings'>

export interface RegistryListener extends Listening {
  /** Serves further requests as this configuration says. */
  configure(config: ServingConfig): void
}

/** Opens the listener for clients. @throws what `listen` throws */
export async function openRegistryListener(
  { listen: config, ...serving }: Pick<Config, 'listen'> & ServingConfig,
  {
    registry,
    search,
    telemetry,
    server: counted,
    loops,
    advise,
    peers,
    mayRedirect,
    tracing,
    log,
  }: RegistryListenerOptions,
): Promise<RegistryListener> {
  const { host, port, tls, maxConnections, maxConnectionsPerAddress, ratePerClient, accel } = config
  await using opening = new AsyncDisposableStack()
  const pool = new BufferPool()
  const turns = new Turns()
  const blobTurns = new Turns(BLOB_TURN)
  const later = new LaterPieces(blobTurns, BLOB_TURN)
  const rates = ratePerClient === undefined ? undefined : new ClientRates(ratePerClient)
  let mode = serving.log.access
  const accessLog = new AccessLog({
    sink: sinkOf(log),
    mode: () => log.isLevelEnabled('info') && mode,
    traceId: tracing?.traceId,
  })

  function serve({ access, upstreams, warnings }: ServingConfig) {
    const auth = buildRegistryAuth({ access, listen: config, upstreams }, counted, log)
    const answer = registryRequestListener({
      registry,
      ...(auth.authenticator && { authenticator: auth.authenticator }),
      telemetry,
      responses: counted,
      loops,
      ...(rates && { rates }),
      ...(accel && { accel: { ...accel, isProxy: cidrList(accel.proxies) } }),
      ...(warnings && { advise }),
      peers,
      mayRedirect,
      search,
      logger: log,
      accessLog,
      finished: tracing?.finished,
      ...(access.trustedProxies.length > 0 && { clientAddress: auth.clientAddress }),
      pool,
      turns,
      later,
    })
    // By which the patterns of rules are completed.
    const names = upstreamNames(Object.values(upstreams))
    return { access, warnings, names, auth, answer: tracing ? tracing.listener(answer) : answer }
  }

  let current = serve(serving)
  opening.defer(() => current.auth[Symbol.asyncDispose]())
  const clientOf = (incoming: IncomingMessage): string => {
    const { access, auth } = current
    const isDirect = access.trustedProxies.length === 0
    const address = isDirect ? (incoming.socket.remoteAddress ?? '') : auth.clientAddress(incoming)
    return address.includes(':') ? addressGroup(address) : address
  }
  const serveCurrent: RequestListener = (incoming, outgoing) => current.answer(incoming, outgoing)
  const answer = inTurns(serveCurrent, clientOf, turns, blobTurns)
  const server = await listen(answer, {
    host,
    port,
    ...(tls && { tls: tlsFrom(tls) }),
    connections: {
      most: maxConnections,
      mostPerAddress: maxConnectionsPerAddress,
      isExempt: (address) => current.auth.isTrustedProxy(address),
    },
  })
  if (tls) opening.use(reloadTls(server, tls, { listener: 'registry', telemetry: counted, log }))
  const access = describeRegistryAuth({ ...serving, listen: config })
  log.info({ listener: 'registry', host, port: server.port, access }, 'listening')
  return {
    ...listening(server, opening.move()),
    configure(next) {
      mode = next.log.access
      const { access, upstreams, warnings } = next
      const isSameAccess = isDeepStrictEqual(
        [access, upstreamNames(Object.values(upstreams))],
        [current.access, current.names],
      )
      if (isSameAccess && warnings === current.warnings) return
      const before = current
      current = serve(next)
      // Logins that are being checked end as they began.
      void Promise.resolve(before.auth[Symbol.asyncDispose]())
      log.info({ access: describeRegistryAuth({ access, listen: config }) }, 'access changed')
    },
  }
}
