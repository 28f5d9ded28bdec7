import { type ErrorCode, RegistryError } from '../oci/errors.ts'
import { SHARED_INDEX } from '../ports/cluster.ts'
import type { RequestKind } from '../ports/telemetry.ts'
import type { Exchange } from './exchange.ts'
import type { HeaderList } from './headers/head-template.ts'
import { sendJson } from './send.ts'

/** Seconds. Short, because containers/image waits this long before it falls back to another mirror. */
const RETRY_AFTER = '3'

/**
 * The challenge for passwords and for tokens. containerd gives up on a Bearer challenge without a token
 * realm.
 */
const CHALLENGE = 'Basic realm="entrepot", charset="UTF-8"'

/**
 * Status and wire code by cause. An invalid tag is an unknown manifest: the OCI conformance suite expects 404
 * for `.INVALID_MANIFEST_NAME`.
 */
const RESPONSES: Record<ErrorCode, readonly [status: number, code: string]> = {
  BLOB_UNKNOWN: [404, 'BLOB_UNKNOWN'],
  MANIFEST_UNKNOWN: [404, 'MANIFEST_UNKNOWN'],
  NAME_UNKNOWN: [404, 'NAME_UNKNOWN'],
  NAME_INVALID: [400, 'NAME_INVALID'],
  TAG_INVALID: [404, 'MANIFEST_UNKNOWN'],
  DIGEST_INVALID: [400, 'DIGEST_INVALID'],
  PAGINATION_NUMBER_INVALID: [400, 'PAGINATION_NUMBER_INVALID'],
  RANGE_INVALID: [416, 'RANGE_INVALID'],
  REQUEST_INVALID: [400, 'UNKNOWN'],
  REQUEST_TOO_LONG: [414, 'UNKNOWN'],
  DENIED: [403, 'DENIED'],
  UNSUPPORTED: [405, 'UNSUPPORTED'],
  TOOMANYREQUESTS: [429, 'TOOMANYREQUESTS'],
  UNAUTHORIZED: [401, 'UNAUTHORIZED'],
  UPSTREAM_DENIED: [404, 'NAME_UNKNOWN'],
  UPSTREAM_LIMITED: [503, 'UNAVAILABLE'],
  UPSTREAM_UNAVAILABLE: [502, 'UNAVAILABLE'],
  UPSTREAM_TIMEOUT: [504, 'UNAVAILABLE'],
  UPSTREAM_INVALID: [502, 'UNAVAILABLE'],
  CONVERTING: [503, 'UNAVAILABLE'],
  LOOP: [508, 'UNAVAILABLE'],
  STORAGE: [503, 'UNAVAILABLE'],
  NO_THREAD: [503, 'UNAVAILABLE'],
  UNKNOWN: [500, 'UNKNOWN'],
}

/**
 * The wire code of an unknown thing, by kind. NAME_UNKNOWN on referrers makes oras fail instead of trying the
 * tag schema.
 */
const UNKNOWN_CODES: Partial<Record<RequestKind, ErrorCode>> = {
  blob: 'BLOB_UNKNOWN',
  manifest: 'MANIFEST_UNKNOWN',
  tag: 'MANIFEST_UNKNOWN',
  referrers: 'MANIFEST_UNKNOWN',
  tags: 'NAME_UNKNOWN',
}

/**
 * Answers with `error`, without any challenge of upstream. Destroys the connection of an answer that has
 * begun.
 */
export function sendError(exchange: Exchange, error: unknown): void {
  const { outgoing, kind, upstream, repository, reference, cacheStatus } = exchange
  if (outgoing.headersSent) {
    outgoing.destroy()
    return
  }
  const cause = error instanceof RegistryError ? error : new RegistryError('UNKNOWN')
  const [status, code] = RESPONSES[cause.code]
  const detail = {
    upstream,
    repository,
    reference,
    status: cacheStatus?.forwardStatus,
    ...cause.detail,
    ...(cause.code === 'UPSTREAM_DENIED' && { reason: 'DENIED' }),
  }
  sendJson(exchange, status, headersOf(cause), {
    errors: [{ code: wireCode(cause.code, code, kind), message: messageOf(cause), detail }],
  })
}

/** Clients show the message, and nothing of the detail: it says why something does not exist here, or what failed. */
function messageOf({ code, message, detail }: RegistryError): string {
  const { operation, reason } = detail
  if (operation === SHARED_INDEX) return 'the database of the replicas does not answer, retry later'
  const isOurs = code === 'NAME_UNKNOWN' || code === 'MANIFEST_UNKNOWN'
  return isOurs && typeof reason === 'string' ? `${message}: ${reason}` : message
}

function wireCode(cause: ErrorCode, code: string, kind: RequestKind | undefined): string {
  if (kind === undefined) return code
  if (cause === 'UPSTREAM_DENIED') return UNKNOWN_CODES[kind] ?? code
  return kind === 'referrers' && code === 'NAME_UNKNOWN' ? 'MANIFEST_UNKNOWN' : code
}

function headersOf({ code, detail }: RegistryError): HeaderList {
  switch (code) {
    case 'UNSUPPORTED':
      return ['Allow', 'GET, HEAD']
    case 'UNAUTHORIZED':
      return ['WWW-Authenticate', CHALLENGE]
    case 'RANGE_INVALID':
      return detail['size'] === undefined ? [] : ['Content-Range', `bytes */${detail['size']}`]
    case 'UPSTREAM_LIMITED':
    case 'CONVERTING':
    case 'NO_THREAD':
    case 'TOOMANYREQUESTS':
      return ['Retry-After', RETRY_AFTER]
    default:
      return []
  }
}
