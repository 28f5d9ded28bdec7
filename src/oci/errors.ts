/**
 * Every way a read can fail, by cause. The first group are the distribution spec's own codes; the UPSTREAM_ group keeps
 * apart why the truth could not be found out, because clients, stale service and the breaker act differently on each.
 * Only `http/errors.ts` turns a code into a status.
 */
const MESSAGES = {
  BLOB_UNKNOWN: 'blob unknown to registry',
  MANIFEST_UNKNOWN: 'manifest unknown to registry',
  NAME_UNKNOWN: 'repository name not known to registry',
  NAME_INVALID: 'invalid repository name',
  TAG_INVALID: 'invalid tag',
  DIGEST_INVALID: 'invalid digest',
  PAGINATION_NUMBER_INVALID: 'invalid number of results requested',
  RANGE_INVALID: 'the requested range is not satisfiable',
  REQUEST_INVALID: 'the request is malformed',
  REQUEST_TOO_LONG: 'the request URL is too long',
  DENIED: 'this proxy is configured not to serve this repository',
  UNSUPPORTED: 'this registry is a read-only cache',
  TOOMANYREQUESTS: 'too many requests of this kind are waiting for their turn',
  UNAUTHORIZED: 'this proxy serves only those who say who they are',
  UPSTREAM_DENIED: 'the upstream registry denies this proxy access',
  UPSTREAM_LIMITED: 'the upstream registry limits this proxy',
  UPSTREAM_UNAVAILABLE: 'the upstream registry is out of order',
  UPSTREAM_TIMEOUT: 'the upstream registry is too slow to answer',
  UPSTREAM_INVALID: 'the upstream registry answered with something else than was asked for',
  STORAGE: 'the local store failed',
  UNKNOWN: 'unknown error',
} as const

export type ErrorCode = keyof typeof MESSAGES

/** Named facts about a failure. Shown to clients: never credentials, tokens, URL queries or local paths. */
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

const OUTAGES = ['UPSTREAM_LIMITED', 'UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMEOUT', 'UPSTREAM_INVALID'] as const

/** Failures during which what is cached may be served past its freshness. A 404 or a denial is an answer, not an outage. */
export function isOutage(error: unknown): error is RegistryError {
  return isRegistryError(error, ...OUTAGES)
}
