import { LRUCache } from 'lru-cache'
import { isRegistryError, RegistryError } from '../../oci/errors.ts'
import type { Upstream, UpstreamRepository } from '../../ports/upstream.ts'

/** Repositories, times three. */
const REMEMBERED = 10_000

/**
 * An upstream whose denials are remembered for `duration` milliseconds, so that clients who keep asking for a repository that is not
 * ours to read cost it neither requests nor tokens. Lists are apart from content: their right is another one at some
 * registries. A denied blob says nothing about its repository, for it may have been denied elsewhere.
 */
export function withRememberedDenials(upstream: Upstream, duration: number): Upstream {
  const denials = new LRUCache<string, RegistryError>({ max: REMEMBERED, ttl: Math.max(1, duration) })

  return {
    name: upstream.name,
    get isNearlyExhausted() {
      return upstream.isNearlyExhausted
    },
    repository(name) {
      const repository = upstream.repository(name)

      const remembering = async <T>(kind: string, ask: () => Promise<T>): Promise<T> => {
        const key = `${name} ${kind}`
        const denial = denials.get(key)
        if (denial !== undefined)
          throw new RegistryError(denial.code, { ...denial.detail, asked: 'not again yet' })
        try {
          return await ask()
        } catch (error) {
          if (duration > 0 && isRegistryError(error, 'UPSTREAM_DENIED')) denials.set(key, error)
          throw error
        }
      }

      const remembered: UpstreamRepository = {
        get isNearlyExhausted() {
          return repository.isNearlyExhausted
        },
        resolve: (tag, signal) => remembering('content', () => repository.resolve(tag, signal)),
        resolveByGet: (tag, signal) => remembering('content', () => repository.resolveByGet(tag, signal)),
        manifest: (digest, signal) => remembering('content', () => repository.manifest(digest, signal)),
        tags: {
          whole: (signal) => remembering('tags', () => repository.tags.whole(signal)),
          page: (page, signal) => remembering('tags', () => repository.tags.page(page, signal)),
        },
        referrers: (digest, signal) => remembering('referrers', () => repository.referrers(digest, signal)),
        statBlob: (digest, signal) => repository.statBlob(digest, signal),
        blob: (digest, range, signal) => repository.blob(digest, range, signal),
      }
      return remembered
    },
  }
}
