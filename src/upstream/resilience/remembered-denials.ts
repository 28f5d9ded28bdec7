import { LRUCache } from 'lru-cache'
import { isRegistryError, type RegistryError } from '../../oci/errors.ts'
import { aroundRequests, type UpstreamRequestInfo } from '../../ports/around-requests.ts'
import type { Upstream } from '../../ports/upstream.ts'
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

/** What a denial of a request of a kind also denies; undefined: nothing else. */
const RIGHTS: Readonly<Partial<Record<UpstreamRequestInfo['kind'], string>>> = {
  tag: 'content',
  manifest: 'content',
  tags: 'tags',
  referrers: 'referrers',
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

  return aroundRequests(upstream, (name) => async ({ kind }, ask) => {
    const right = RIGHTS[kind]
    if (right === undefined) return ask()
    const key = `${name} ${right}`
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
  })
}
