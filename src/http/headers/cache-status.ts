import type { CacheStatus } from '../../ports/read-options.ts'
import { isRegistryError } from '../../oci/errors.ts'

/**
 * Renders the `Cache-Status` field of RFC 9211 with this cache as its only member. Without a status the
 * answer is the proxy's own (a ping, a refusal), unless `failure` holds what upstream answered.
 */
export function renderCacheStatus(status: CacheStatus | undefined, failure?: unknown): string {
  if (failure !== undefined && isRegistryError(failure) && failure.code.startsWith('UPSTREAM_')) {
    const answered = failure.detail['status']
    return `entrepot; fwd=uri-miss${typeof answered === 'number' ? forwardStatus(answered) : ''}`
  }
  if (status === undefined) return 'entrepot; detail=local'
  const { result, ttl, forwardStatus: answered, stored, heldUntil } = status
  const detail = heldUntil === undefined ? status.detail : 'cool-down'
  switch (result) {
    case 'hit':
      return `entrepot; hit${timeToLive(ttl)}${detailOf(detail)}`
    case 'negative':
      return `entrepot; hit${timeToLive(ttl)}; detail=negative`
    case 'stale':
      return `entrepot; hit${timeToLive(ttl)}; detail=stale-if-error`
    case 'collapsed':
      return `entrepot; fwd=uri-miss${forwardStatus(answered)}; collapsed`
    case 'revalidated':
      return `entrepot; fwd=stale${forwardStatus(answered)}${stored === true ? '; stored' : ''}${detailOf(detail)}`
    case 'miss':
      return `entrepot; fwd=uri-miss${forwardStatus(answered)}${stored === true ? '; stored' : ''}`
  }
}

function timeToLive(seconds: number | undefined): string {
  return seconds === undefined ? '' : `; ttl=${Math.trunc(seconds)}`
}

function detailOf(detail: string | undefined): string {
  return detail === undefined ? '' : `; detail=${detail}`
}

function forwardStatus(status: number | undefined): string {
  return status === undefined ? '' : `; fwd-status=${status}`
}
