import { RegistryError } from '../../oci/errors.ts'
import type { Upstream, UpstreamRepository } from '../../ports/upstream.ts'
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
  const online = async <T>(ask: () => Promise<T>): Promise<T> => {
    if (isOffline()) throw offlineError(upstream.name)
    return ask()
  }
  return {
    name: upstream.name,
    get isNearlyExhausted() {
      return upstream.isNearlyExhausted
    },
    repository(name) {
      const repository = upstream.repository(name)
      const reachable: UpstreamRepository = {
        get isNearlyExhausted() {
          return repository.isNearlyExhausted
        },
        promisesBlobsAfter: repository.promisesBlobsAfter,
        resolve: (tag, signal) => online(() => repository.resolve(tag, signal)),
        resolveByGet: (tag, signal) => online(() => repository.resolveByGet(tag, signal)),
        manifest: (digest, signal) => online(() => repository.manifest(digest, signal)),
        statBlob: (digest, signal) => online(() => repository.statBlob(digest, signal)),
        blob: (digest, range, signal) => online(() => repository.blob(digest, range, signal)),
        tags: {
          whole: (signal) => online(() => repository.tags.whole(signal)),
          page: (page, signal) => online(() => repository.tags.page(page, signal)),
        },
        referrers: (digest, signal) => online(() => repository.referrers(digest, signal)),
      }
      return reachable
    },
  }
}
