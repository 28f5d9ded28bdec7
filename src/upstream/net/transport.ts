import { Readable } from 'node:stream'
import { type Dispatcher, request } from 'undici'
import { isRegistryError } from '../../oci/errors.ts'
import type { UpstreamTelemetry } from '../../ports/telemetry.ts'
import { failure } from '../failures.ts'
import type { Transport, UpstreamRequest, UpstreamResponse } from '../requests.ts'
import type { HostHealth } from '../resilience/host-health.ts'
import type { RateBudget } from '../resilience/rate-budget.ts'
import type { Connections, ConnectionUse, Lane } from './connections.ts'
import type { Places } from './places.ts'
import { type Attempt, sendReliably } from './reliable-send.ts'
import { takeOver } from './take-over.ts'
import { isDeadline } from './with-timeout.ts'

export interface TransportOptions {
  readonly upstream: string
  /** The registry's own origin, whose health and limits are observed. */
  readonly origin: string
  readonly connections: Connections
  /** Places of requests in the metadata lane. Blobs are limited by `download/`. */
  readonly places: Places
  readonly telemetry: UpstreamTelemetry
  readonly budget: RateBudget
  readonly health: HostHealth
  /** Milliseconds without a response after which a connection is doubted. */
  readonly silence: number
  /**
   * Blobs may take longer than that by design, so that a kept connection for them could not be told from a
   * dead one.
   */
  readonly slowBlobs?: boolean
  /** The `Via` header of a request that is sent now (RFC 9110 section 7.6.3). */
  readonly via?: (() => string) | undefined
}

/** Sends a request as it is: no redirects, no credentials, no decoding. */
export function httpTransport(options: TransportOptions): Transport {
  const { upstream, origin, telemetry, health, budget } = options
  return async (request) => {
    const isOwn = request.url.origin === origin
    if (isOwn && request.kind !== 'ping') health.check()
    const began = performance.now()
    const told = (status: number | undefined): void =>
      telemetry.answered(upstream, request.kind, status, (performance.now() - began) / 1000)
    try {
      const response = await sendOver(request, options, isOwn)
      told(response.status)
      if (isOwn) {
        health.responded()
        const remaining = budget.observe(response)
        if (remaining !== undefined) telemetry.rateLimit(upstream, remaining, budget)
      }
      return response
    } catch (error) {
      // A caller who leaves says nothing about the upstream. A deadline, which aborts the same signal, does, also
      // when the connection that was not made in time ends with an error of its own.
      const { aborted = false, reason } = request.signal ?? {}
      if (aborted && !isDeadline(reason)) throw error
      told(undefined)
      const failed = failure(upstream, error, isOwn ? undefined : request.url.host)
      if (isOwn && isRegistryError(failed)) {
        health.failed(failed, { isPing: request.kind === 'ping', milliseconds: performance.now() - began })
      }
      throw failed
    }
  }
}

async function sendOver(
  request: UpstreamRequest,
  { connections, places, health, silence, slowBlobs, via }: TransportOptions,
  isOwn: boolean,
): Promise<UpstreamResponse> {
  const { kind, method, url, signal } = request
  const lane: Lane = kind === 'blob' && method !== 'HEAD' ? 'blobs' : 'metadata'
  const place =
    lane === 'metadata' && kind !== 'ping' ? await places.enter(ownerOf(request), signal) : undefined
  const header = via?.()
  const { idle } = connections
  const onNewConnection = (): Attempt =>
    connections.onNewConnection(lane, url.origin, (dispatcher) => attempt(request, dispatcher, header, idle))
  const onPooledConnection = (): Attempt => attempt(request, connections.pool(lane), header, idle)
  // A ping finds out whether a new connection works.
  const isNew = kind === 'ping' || (lane === 'blobs' && slowBlobs === true)
  const isWrite = method !== 'GET' && method !== 'HEAD' && kind !== 'token'
  try {
    return await sendReliably({
      first: isNew ? onNewConnection : onPooledConnection,
      ...(mayRepeat(request) && { second: onNewConnection }),
      // What is written may take its time to arrive, and to be stored.
      silence: isWrite ? NEVER : silence,
      silent() {
        // Those that hang must not keep the others waiting.
        place?.leave()
        if (isOwn && kind !== 'ping') health.silent(silence)
      },
      dead: () => connections.renew(lane),
    })
  } finally {
    place?.leave()
  }
}

/** Who holds a place. No repository is called like that: searches and logins do not wait for each other. */
function ownerOf({ kind, repository }: UpstreamRequest): string {
  return kind === 'search' || kind === 'token' ? ` ${kind}` : (repository ?? '')
}

function attempt(
  { method, url, headers, body, signal }: UpstreamRequest,
  dispatcher: Dispatcher,
  via: string | undefined,
  idle: number,
): Attempt {
  const { end, unlink } = linkedTo(signal)
  const connection: ConnectionUse = {}
  const response = request(url, {
    dispatcher,
    method,
    headers: { ...headers, 'accept-encoding': 'identity', 'user-agent': 'entrepot', ...(via && { via }) },
    body:
      typeof body === 'function' ? Readable.from(body(end.signal), { objectMode: false }) : (body ?? null),
    signal: end.signal,
    highWaterMark: BODY_BUFFER,
    opaque: connection,
  })
  return {
    connection,
    response: response.then(
      ({ statusCode: status, headers, body }) => {
        const { signal } = end
        const direct = takeOver(connection.side, { status, headers, idle, signal, over: unlink })
        if (direct !== undefined) return { status, headers, body: direct, url }
        // A body may break off before anyone reads it. Its reader gets the error; the process must not end by
        // it.
        body.on('error', () => {}).once('close', unlink)
        return { status, headers, body, url }
      },
      (error: unknown) => {
        unlink()
        throw error
      },
    ),
    abandon: () => end.abort(),
  }
}

/** Milliseconds: the longest that a timer takes. */
const NEVER = 2 ** 31 - 1

/**
 * Whether it may be sent again when its connection turns out to be dead. A token may be had once for what was
 * shown. Whoever sends a long body decides what to do.
 */
function mayRepeat({ kind, method, body }: UpstreamRequest): boolean {
  return (kind !== 'token' || method !== 'POST') && typeof body !== 'function'
}

/**
 * Ends an attempt alone, and with the signal of its request, until `unlink`: Node keeps a signal that stands
 * for others as long as somebody listens to it. A fifth of the cost of `AbortSignal.any`.
 */
function linkedTo(signal: AbortSignal | undefined): {
  readonly end: AbortController
  readonly unlink: () => void
} {
  const end = new AbortController()
  const abort = (): void => end.abort(signal?.reason)
  if (signal?.aborted) abort()
  else signal?.addEventListener('abort', abort, { once: true })
  return { end, unlink: () => signal?.removeEventListener('abort', abort) }
}

/** Bytes of a body that wait for their reader before the socket is paused. */
const BODY_BUFFER = 256 * 1024
