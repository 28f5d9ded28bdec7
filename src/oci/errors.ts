/**
 * Every way a read can fail, by cause. The first group holds the distribution spec's own codes. The UPSTREAM_
 * group says why upstream gave no answer: clients, stale answers and circuit breakers treat each cause in its
 * own way. Only `http/error-response.ts` turns a code into a status.
 */
const MESSAGES = {
  BLOB_UNKNOWN: 'blob unknown to registry',
  MANIFEST_UNKNOWN: 'manifest unknown to registry',
  NAME_UNKNOWN: 'repository name not known to registry',
  NAME_INVALID: 'invalid repository name',
  TAG_INVALID: 'invalid tag',
  DIGEST_INVALID: 'invalid digest',
  PAGINATION_NUMBER_INVALID: 'invalid number of results requested',
  RANGE_INVALID: 'requested range not satisfiable',
  REQUEST_INVALID: 'malformed request',
  REQUEST_TOO_LONG: 'request URL too long',
  DENIED: 'access denied by the configuration of this proxy',
  UNSUPPORTED: 'this registry is a read-only cache',
  TOOMANYREQUESTS: 'too many requests queued, retry later',
  UNAUTHORIZED: 'authentication required',
  UPSTREAM_DENIED: 'upstream registry denied access',
  UPSTREAM_LIMITED: 'upstream registry rate limit reached, retry later',
  UPSTREAM_UNAVAILABLE: 'upstream registry unavailable',
  UPSTREAM_TIMEOUT: 'upstream registry timed out',
  UPSTREAM_INVALID: 'invalid response from upstream registry',
  CONVERTING: 'the image is being converted, retry later',
  LOOP: 'request loop: an upstream of this proxy leads back to it',
  STORAGE: 'local storage failed',
  NO_THREAD: 'this machine lets the proxy start no thread, retry later',
  UNKNOWN: 'internal error',
} as const

export type ErrorCode = keyof typeof MESSAGES

/** Named facts about a failure. Clients see them: no credentials, tokens, URL queries or local paths. */
export type ErrorDetail = Readonly<Record<string, string | number | undefined>>

export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly code: ErrorCode
  readonly detail: ErrorDetail

  constructor(code: ErrorCode, detail: ErrorDetail = {}, options?: ErrorOptions) {
    super(MESSAGES[code], options)
    this.code = code
    this.detail = detail
  }
}

export function isRegistryError(error: unknown, ...codes: readonly ErrorCode[]): error is RegistryError {
  return error instanceof RegistryError && (codes.length === 0 || codes.includes(error.code))
}

const OUTAGES = [
  'UPSTREAM_LIMITED',
  'UPSTREAM_UNAVAILABLE',
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_INVALID',
  'LOOP',
] as const

/** Reports whether upstream gave no answer. A 404 or a denial is one. */
export function isOutage(error: unknown): error is RegistryError {
  return isRegistryError(error, ...OUTAGES)
}

/**
 * Reports whether stale content may be served because of this failure: upstream gave no answer, or there is no
 * thread to read it here, or no place.
 */
export function mayServeStale(error: unknown): error is RegistryError {
  return isOutage(error) || isRegistryError(error, 'NO_THREAD', 'TOOMANYREQUESTS')
}
