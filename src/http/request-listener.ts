import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { isRegistryError, RegistryError } from '../oci/errors.ts'
import type { Advise } from '../ports/advise.ts'
import type { PeerAccess } from '../ports/cluster.ts'
import type { Authenticator } from '../ports/authenticator.ts'
import type { Registry } from '../ports/repository.ts'
import type { RepositorySearch } from '../ports/search.ts'
import type { RequestTelemetry, ResponseTelemetry } from '../ports/telemetry.ts'
import type { LoopGuard } from '../util/loop-guard.ts'
import type { Accel } from './accel.ts'
import { AnswerRoom } from './answer-room.ts'
import { BufferPool } from './pieces/buffer-pool.ts'
import type { ClientRates } from './client-rates.ts'
import { sendError } from './error-response.ts'
import { Exchange } from './exchange.ts'
import { dispatch } from './hono-adapter.ts'
import { Pieces } from './pieces/pieces.ts'
import { recordRequest } from './record-request.ts'
import { ClientPace } from './client-pace.ts'
import { requestIds } from './request-id.ts'
import type { AccessLog, Logger } from './access-log.ts'
import { registryRoutes } from './routes.ts'
import { Outbox } from './send.ts'
import type { LaterPieces } from './server/later-pieces.ts'
import { Turns } from './server/turns.ts'
import { announcesBody, ignoreBody, ignoredPieces, requestValidator } from './validate-request.ts'

export interface RegistryRequestListenerOptions {
  readonly registry: Registry
  /** Without one, everybody may read everything. */
  readonly authenticator?: Authenticator
  readonly telemetry: RequestTelemetry
  readonly responses?: ResponseTelemetry
  /** Without one, requests that come back from an upstream are not recognised. */
  readonly loops?: LoopGuard
  /** Receives errors that are no answers. */
  readonly logger?: Logger
  /** Without one, requests are not logged. */
  readonly accessLog?: AccessLog
  /** The address of the client behind trusted proxies. Omitted: that of the socket. */
  readonly clientAddress?: (incoming: IncomingMessage) => string
  readonly pool?: BufferPool
  readonly accel?: Accel | undefined
  readonly rates?: ClientRates | undefined
  /** Called when an answer has ended, with its status. 499: the client left before it began. */
  readonly finished?: ((exchange: Exchange, status: number) => void) | undefined
  /** Without one, nobody is advised. */
  readonly advise?: Advise | undefined
  /** Without it, there are no other replicas. */
  readonly peers?: PeerAccess | undefined
  /** As in `BlobSending`. */
  readonly mayRedirect?: ((address: string) => boolean) | undefined
  /** Without it, nothing can be searched. */
  readonly search?: RepositorySearch | undefined
  /** Those in which requests begin, where there are any. */
  readonly turns?: Turns
  /** Without it, each blob goes on at once. */
  readonly later?: LaterPieces
}

/** Requests a second of one client that are refused because too many of its requests wait already, */
const QUEUE_REFUSALS = 8
/** or because upstream, which was asked, does not have what they ask for. */
const UPSTREAM_REFUSALS = 100
/** Answers a second that one client leaves although upstream was asked for them, */
const LEFT_ANSWERS = 32
/** with fewer bytes than this. Who fetches a blob in parts leaves each with more. */
const HARDLY_TAKEN = 64 * 1024
/** What a second may weigh of the manifests and lists that are read for one client, */
const WEIGHT = 2 * 1024 * 1024
/** after so many milliseconds of that at once: a list of 300,000 tags, and more. */
const WEIGHT_AT_ONCE = 8_000
/** Milliseconds of the pace that a client can be behind. */
const MOST_BEHIND = 15_000
/** Pieces of bodies a second of one client that are read and discarded. A body has one at least. */
const IGNORED_PIECES = 256

/**
 * Serves the registry's routes: validates each request, dispatches it, answers failures, logs and counts it.
 */
export function registryRequestListener({
  registry,
  authenticator,
  telemetry,
  responses,
  loops,
  logger,
  accessLog,
  clientAddress,
  accel,
  rates,
  advise,
  finished,
  peers,
  mayRedirect,
  search,
  pool = new BufferPool(),
  turns = new Turns(),
  later,
}: RegistryRequestListenerOptions): RequestListener {
  // A client with a rate gets small pieces.
  const pieces = new Pieces(pool, { borrows: rates === undefined })
  const sending = { pieces, accel, rates, mayRedirect, later }
  const requestIdOf = requestIds()
  const outbox = new Outbox()
  const validateRequest = requestValidator()
  const refusals = {
    queue: new ClientPace(QUEUE_REFUSALS),
    upstream: new ClientPace(UPSTREAM_REFUSALS),
    body: new ClientPace(IGNORED_PIECES),
  }
  const room = new AnswerRoom()
  const leaving = new ClientPace(LEFT_ANSWERS)
  const reading = new ClientPace(WEIGHT, { atOnce: WEIGHT_AT_ONCE, longest: MOST_BEHIND })
  const routes = registryRoutes({ registry, authenticator, sending, advise, peers, search, fail })

  function fail(error: unknown, exchange: Exchange): void {
    if (exchange.isAborted) return
    exchange.failure = error
    if (!(error instanceof RegistryError)) logger?.error({ err: error }, 'a request failed unexpectedly')
    const delay = paceOf(error, exchange)?.boundedDelay(exchange.client) ?? 0
    if (delay === 0) sendError(exchange, error)
    else setTimeout(() => exchange.inTurn(() => exchange.isAborted || sendError(exchange, error)), delay)
  }

  function paceOf(error: unknown, { cost }: Exchange): ClientPace | undefined {
    if (isRegistryError(error, 'TOOMANYREQUESTS')) return refusals.queue
    return cost === undefined ? undefined : refusals.upstream
  }

  /** Then calls `proceed`, unless too many bodies of the client wait. */
  function ignoreBodyAtPace(incoming: IncomingMessage, proceed: () => void): void {
    const { socket } = incoming
    const delay = refusals.body.delay(
      clientAddress?.(incoming) ?? socket.remoteAddress ?? '',
      ignoredPieces(incoming),
    )
    const ignore = () => void ignoreBody(incoming).then(proceed)
    if (delay === undefined) {
      socket.destroy()
    } else if (delay === 0) {
      ignore()
    } else {
      socket.pause()
      setTimeout(() => socket.destroyed || (socket.resume(), ignore()), delay)
    }
  }

  function begin(incoming: IncomingMessage, outgoing: ServerResponse): Exchange {
    const requestId = requestIdOf(incoming.headers['x-request-id'])
    const exchange = new Exchange(incoming, outgoing, requestId, clientAddress?.(incoming), outbox, turns)
    exchange.leaving = leaving
    exchange.reading = reading
    exchange.room = room
    const ended = (): void => {
      if (isLeftUntaken(exchange)) leaving.delay(exchange.client)
      const status = outgoing.headersSent ? outgoing.statusCode : 499
      if (outgoing.writableFinished) exchange.bytesSent += exchange.bytesAtEnd
      const ms = performance.now() - exchange.startedAt
      accessLog?.add(exchange, status, ms)
      recordRequest(telemetry, exchange, ms)
      responses?.responded(status)
      finished?.(exchange, status)
    }
    // The client may have left while its request waited.
    if (outgoing.destroyed) ended()
    else outgoing.on('close', ended)
    return exchange
  }

  /**
   * Requests that other proxies passed on carry their `Via` to upstream, and end here when they have been
   * here before.
   */
  function start(exchange: Exchange): void {
    if (exchange.isAborted) return
    const { via } = exchange.incoming.headers
    if (via === undefined || loops === undefined) run(exchange)
    else if (loops.isLoop(via)) fail(new RegistryError('LOOP', { via: via.slice(0, 300) }), exchange)
    else loops.run(via, () => run(exchange))
  }

  function run(exchange: Exchange): void {
    try {
      dispatch(routes, exchange)?.catch((error: unknown) => fail(error, exchange))
    } catch (error) {
      fail(error, exchange)
    }
  }

  return function serve(incoming, outgoing) {
    const refusal = validateRequest(incoming)
    const hasBody = announcesBody(incoming)
    if (refusal === undefined && !hasBody) return start(begin(incoming, outgoing))
    outgoing.setHeader('Connection', 'close')
    const proceed = () => {
      const exchange = begin(incoming, outgoing)
      if (refusal === undefined) start(exchange)
      else fail(refusal, exchange)
    }
    if (hasBody) ignoreBodyAtPace(incoming, proceed)
    else proceed()
  }
}

/** Whether the client left, and not this process ended, an answer that was asked for upstream. */
function isLeftUntaken({ hasAsked, isAborted, failure, bytesSent }: Exchange): boolean {
  return hasAsked && isAborted && failure === undefined && bytesSent < HARDLY_TAKEN
}
