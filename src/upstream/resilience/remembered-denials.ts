import { LRUCache } from 'lru-cache'
import { isRegistryError, type RegistryError } from '../../oci/errors.ts'
import type { Upstream, UpstreamRepository } from '../../ports/upstream.ts'
import type { Credentials, CredentialSource } from '../credentials/credentials.ts'
import { notAgain } from './circuit-breaker.ts'

export interface RememberedDenialsOptions {
  /** Milliseconds. 0: nothing is remembered. */
  readonly duration: number
  /** A denial is forgotten when these are others: it was their denial. */
  readonly credentials: CredentialSource
}

interface Denial {
  readonly error: RegistryError
  readonly credentials: Credentials | undefined
}

/** Repositories, times three. */
const REMEMBERED = 10_000

/**
 * An upstream whose denials are remembered for `duration` milliseconds, so that clients who keep asking for a
 * repository that is not ours to read cost it neither requests nor tokens. Lists are apart from content:
 * their right is another one at some registries. A denied blob says nothing about its repository, for it may
 * have been denied elsewhere.
 */
export function withRememberedDenials(upstream: Upstream, options: RememberedDenialsOptions): Upstream {
  const { duration, credentials } = options
  const denials = new LRUCache<string, Denial>({ max: REMEMBERED, ttl: Math.max(1, duration) })

  /** Undefined also when the credentials cannot be had: the request will say why. */
  const current = (repository: string): Promise<Credentials | undefined> =>
    credentials({ repository }).catch(() => undefined)

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
        if (denial !== undefined) {
          if (denial.credentials === (await current(name))) throw notAgain(denial.error)
          denials.delete(key)
        }
        try {
          return await ask()
        } catch (error) {
          if (duration > 0 && isRegistryError(error, 'UPSTREAM_DENIED')) {
            denials.set(key, { error, credentials: await current(name) })
          }
          throw error
        }
      }

      const remembered: UpstreamRepository = {
        get isNearlyExhausted() {
          return repository.isNearlyExhausted
        },
        promisesBlobsAfter: repository.promisesBlobsAfter,
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
