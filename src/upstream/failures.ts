import { errors } from 'undici'
import { type ErrorCode, RegistryError } from '../oci/errors.ts'
import { headerOf, type UpstreamResponse } from './requests.ts'
import { errorCodeOf } from './body/limits.ts'

const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT', 'PROXY_TIMEOUT'])
/**
 * Responses that are not HTTP, and addresses we refuse to dial. A body short of its length has broken off: an
 * outage.
 */
const INVALID = /^(?:HPE_|UND_ERR_HEADERS_OVERFLOW$|PRIVATE_ADDRESS$)/

/**
 * Turns an error of the network, TLS or undici into a RegistryError. `detail.reason` is its code, because
 * messages may contain addresses and paths. Errors without a code are bugs and are returned unchanged.
 */
export function failure(upstream: string, error: unknown, at?: string): unknown {
  if (error instanceof RegistryError) return error
  const reason = codeOf(error)
  if (reason === undefined) return error
  return new RegistryError(
    classOf(reason),
    { upstream, reason, ...(at !== undefined && { at }) },
    { cause: error },
  )
}

function classOf(code: string): ErrorCode {
  if (TIMEOUTS.has(code)) return 'UPSTREAM_TIMEOUT'
  return INVALID.test(code) ? 'UPSTREAM_INVALID' : 'UPSTREAM_UNAVAILABLE'
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  // undici has no code for some errors of llhttp.
  if (error instanceof errors.HTTPParserError) return error.code ?? 'HPE_INVALID'
  if ('code' in error && typeof error.code === 'string') return error.code
  // Every address failed. The first one was preferred.
  return error instanceof AggregateError ? codeOf(error.errors[0]) : undefined
}

/**
 * The error for a status that is neither success nor "does not exist". It consumes the response.
 *
 * `detail.reason` is the registry's error code, never its message, which may repeat what we sent.
 */
export async function refusal(upstream: string, response: UpstreamResponse): Promise<RegistryError> {
  const { status } = response
  const retryAfter =
    status === 429 ? retryAfterSeconds(headerOf(response, 'retry-after'), Date.now()) : undefined
  const reason = await errorCodeOf(response)
  return new RegistryError(meaningOf(status), { upstream, status, reason, retryAfter })
}

function meaningOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'UPSTREAM_DENIED'
  if (status === 429) return 'UPSTREAM_LIMITED'
  if (status === 508) return 'LOOP'
  if (status >= 500) return 'UPSTREAM_UNAVAILABLE'
  return status === 408 ? 'UPSTREAM_TIMEOUT' : 'UPSTREAM_INVALID'
}

/** RFC 9110 section 10.2.3: seconds or a date. Returns undefined for all other text. */
export function retryAfterSeconds(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\d{1,10}$/.test(header)) return Number(header)
  const instant = Date.parse(header)
  return Number.isNaN(instant) ? undefined : Math.max(0, Math.ceil((instant - now) / 1000))
}

/** The response contradicts itself or the request. Clients see `reason`: no URLs, no secrets. */
export function invalidAnswer(upstream: string, reason: string, status?: number): RegistryError {
  return new RegistryError('UPSTREAM_INVALID', { upstream, status, reason })
}
