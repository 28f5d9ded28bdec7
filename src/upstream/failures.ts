import { errors } from 'undici'
import { type ErrorCode, RegistryError } from '../oci/errors.ts'
import { type Answer, headerOf } from './requests.ts'
import { errorCodeOf } from './body/limits.ts'

const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT', 'PROXY_TIMEOUT'])
/** What is no HTTP, and our refusal to go where an answer leads. A body short of its length has broken off: an outage. */
const INVALID = /^(?:HPE_|UND_ERR_HEADERS_OVERFLOW$|PRIVATE_ADDRESS$)/

/**
 * What an exception of the network, of TLS or of undici means. `detail.reason` is its code: messages may name addresses and
 * paths. Exceptions without a code are mistakes of ours and are not dressed up.
 */
export function failure(upstream: string, error: unknown): unknown {
  if (error instanceof RegistryError) return error
  const reason = codeOf(error)
  if (reason === undefined) return error
  return new RegistryError(classOf(reason), { upstream, reason }, { cause: error })
}

function classOf(code: string): ErrorCode {
  if (TIMEOUTS.has(code)) return 'UPSTREAM_TIMEOUT'
  return INVALID.test(code) ? 'UPSTREAM_INVALID' : 'UPSTREAM_UNAVAILABLE'
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  // undici has no name for some of llhttp's codes.
  if (error instanceof errors.HTTPParserError) return error.code ?? 'HPE_INVALID'
  if ('code' in error && typeof error.code === 'string') return error.code
  // Several addresses were tried and each failed: the first is the one that was preferred.
  return error instanceof AggregateError ? codeOf(error.errors[0]) : undefined
}

/**
 * What a status means that is not the wished one and not "does not exist". Consumes the answer.
 *
 * `detail.reason` is the registry's own error code and never its message: that may repeat what we sent.
 */
export async function refusal(upstream: string, answer: Answer): Promise<RegistryError> {
  const { status } = answer
  const retryAfter =
    status === 429 ? retryAfterSeconds(headerOf(answer, 'retry-after'), Date.now()) : undefined
  const reason = await errorCodeOf(answer)
  return new RegistryError(meaningOf(status), { upstream, status, reason, retryAfter })
}

function meaningOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'UPSTREAM_DENIED'
  if (status === 429) return 'UPSTREAM_LIMITED'
  if (status >= 500) return 'UPSTREAM_UNAVAILABLE'
  return status === 408 ? 'UPSTREAM_TIMEOUT' : 'UPSTREAM_INVALID'
}

/** RFC 9110 section 10.2.3: seconds or a date. undefined when it is neither. */
export function retryAfterSeconds(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\d{1,10}$/.test(header)) return Number(header)
  const instant = Date.parse(header)
  return Number.isNaN(instant) ? undefined : Math.max(0, Math.ceil((instant - now) / 1000))
}

/** The answer contradicts itself or the question. `reason` goes to clients: no URLs, nothing secret. */
export function invalidAnswer(upstream: string, reason: string, status?: number): RegistryError {
  return new RegistryError('UPSTREAM_INVALID', { upstream, status, reason })
}
