import { type Agent, request } from 'undici'
import { isRegistryError } from '../../oci/errors.ts'
import type { UpstreamTelemetry } from '../../ports/telemetry.ts'
import { type Answer, type Ask, type Question } from '../requests.ts'
import { failure } from '../failures.ts'
import type { RateBudget } from '../resilience/rate-budget.ts'

export interface ExchangeOptions {
  readonly upstream: string
  /** Of the registry itself, whose health and limits are reported. */
  readonly origin: string
  /** Blobs have connections of their own, so that manifests, tags and tokens never wait behind them. */
  readonly lanes: { readonly blobs: Agent; readonly metadata: Agent }
  readonly telemetry: UpstreamTelemetry
  readonly budget: RateBudget
}

/** Asks as it is told: no redirects, no credentials, no decoding. */
export function exchange(options: ExchangeOptions): Ask {
  const { upstream, origin, telemetry } = options
  return async (question) => {
    const own = question.url.origin === origin
    try {
      const answer = await send(question, options).catch((error: unknown) => {
        // A kept connection may be closed by the other side at the moment we use it; a fresh one tells what is the matter.
        if (!isCutOff(error) || question.signal?.aborted) throw error
        return send(question, options)
      })
      telemetry.answered(upstream, question.kind, answer.status)
      if (own) observe(answer, options)
      return answer
    } catch (error) {
      // A caller who leaves says nothing about upstream. A deadline, which ends the same signal, does.
      if (question.signal?.aborted && !isRegistryError(error)) throw error
      telemetry.answered(upstream, question.kind, undefined)
      throw failure(upstream, error)
    }
  }
}

async function send(
  { kind, method, url, headers, body, signal }: Question,
  { lanes }: ExchangeOptions,
): Promise<Answer> {
  const response = await request(url, {
    dispatcher: kind === 'blob' && method === 'GET' ? lanes.blobs : lanes.metadata,
    method,
    headers: { ...headers, 'accept-encoding': 'identity', 'user-agent': 'entrepot' },
    body: body ?? null,
    signal: signal ?? null,
    highWaterMark: BODY_BUFFER,
  })
  // A body may break off before anyone reads it: the reader is told when it comes, the process must not fall.
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

function observe(answer: Answer, { upstream, telemetry, budget }: ExchangeOptions): void {
  const remaining = budget.observe(answer)
  if (remaining !== undefined) telemetry.rateLimit(upstream, remaining)
}
