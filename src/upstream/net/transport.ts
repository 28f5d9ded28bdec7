import { type Agent, request } from 'undici'
import { isRegistryError } from '../../oci/errors.ts'
import type { UpstreamTelemetry } from '../../ports/telemetry.ts'
import { failure } from '../failures.ts'
import type { Transport, UpstreamRequest, UpstreamResponse } from '../requests.ts'
import type { RateBudget } from '../resilience/rate-budget.ts'

export interface TransportOptions {
  readonly upstream: string
  /** The registry's own origin, whose health and limits are reported. */
  readonly origin: string
  /** Blobs have their own connections, so that manifests, tags and tokens never wait behind them. */
  readonly lanes: { readonly blobs: Agent; readonly metadata: Agent }
  readonly telemetry: UpstreamTelemetry
  readonly budget: RateBudget
}

/** Sends a request as it is: no redirects, no credentials, no decoding. */
export function httpTransport(options: TransportOptions): Transport {
  const { upstream, origin, telemetry } = options
  return async (request) => {
    const own = request.url.origin === origin
    try {
      const response = await send(request, options).catch((error: unknown) => {
        // The other side may close a kept connection just as we use it. A new connection shows the real
        // state.
        if (!isCutOff(error) || request.signal?.aborted) throw error
        return send(request, options)
      })
      telemetry.answered(upstream, request.kind, response.status)
      if (own) observe(response, options)
      return response
    } catch (error) {
      // A caller who leaves says nothing about the upstream. A deadline, which aborts the same signal, does.
      if (request.signal?.aborted && !isRegistryError(error)) throw error
      telemetry.answered(upstream, request.kind, undefined)
      throw failure(upstream, error)
    }
  }
}

async function send(
  { kind, method, url, headers, body, signal }: UpstreamRequest,
  { lanes }: TransportOptions,
): Promise<UpstreamResponse> {
  const response = await request(url, {
    dispatcher: kind === 'blob' && method === 'GET' ? lanes.blobs : lanes.metadata,
    method,
    headers: { ...headers, 'accept-encoding': 'identity', 'user-agent': 'entrepot' },
    body: body ?? null,
    signal: signal ?? null,
    highWaterMark: BODY_BUFFER,
  })
  // A body may break off before anyone reads it. Its reader gets the error; the process must not end by it.
  response.body.on('error', () => {})
  return { status: response.statusCode, headers: response.headers, body: response.body, url }
}

/** Bytes of a body that wait for their reader before the socket is paused. */
const BODY_BUFFER = 256 * 1024

function isCutOff(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(String(error.code))
  )
}

function observe(response: UpstreamResponse, { upstream, telemetry, budget }: TransportOptions): void {
  const remaining = budget.observe(response)
  if (remaining !== undefined) telemetry.rateLimit(upstream, remaining)
}
