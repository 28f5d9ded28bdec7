import { RegistryError } from '../../oci/errors.ts'
import { aroundRequests } from '../../ports/around-requests.ts'
import type { Upstream } from '../../ports/upstream.ts'
import { notAgain } from './circuit-breaker.ts'

/** The reason in the detail of an error of an upstream that is offline. */
export const OFFLINE = 'offline'

/** The error of a request that is not sent because its upstream is offline. */
export function offlineError(upstream: string): RegistryError {
  return notAgain(new RegistryError('UPSTREAM_UNAVAILABLE', { upstream, reason: OFFLINE }))
}

/**
 * An upstream that gets no requests while `isOffline` says so: each fails at once, as in an outage. What
 * was sent before ends as it would. Nothing is held against the upstream.
 */
export function withOffline(upstream: Upstream, isOffline: () => boolean): Upstream {
  return aroundRequests(upstream, () => async (_, ask) => {
    if (isOffline()) throw offlineError(upstream.name)
    return ask()
  })
}
