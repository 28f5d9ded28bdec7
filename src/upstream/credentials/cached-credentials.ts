import { isDeepStrictEqual } from 'node:util'
import type { Credentials } from './credentials.ts'

export interface FetchedCredentials<C = Credentials> {
  readonly credentials: C
  /** Milliseconds that they are valid for from now on. Omitted: who gave them does not say. */
  readonly lifetime?: number
}

export interface CachedCredentialsOptions<C = Credentials> {
  readonly fetch: () => Promise<FetchedCredentials<C> | undefined>
  /** Called for every failure while the last valid credentials stay in use. */
  readonly failed: (problem: unknown) => void
  /** Monotonic clock, in milliseconds. */
  readonly now: () => number
}

/** Milliseconds. Helpers do not say how long their answer is valid, so it is fetched again after this time. */
const REFRESH_AFTER = 5 * 60_000
/** Credentials that say how long they are valid are fetched again in this last part of their life. */
const REFRESH_AHEAD = 0.1
/**
 * Milliseconds after a failure or a refusal before another fetch. A denial must not start a program each
 * time.
 */
const RETRY_AFTER = 5_000

/**
 * Caches credentials that are costly to fetch, in memory alone. One fetch runs at a time. The present
 * credentials stay in use while newer ones are fetched, and when that fails, until they expire. A caller waits
 * for a fetch only if there are no credentials, or the upstream refused them.
 */
export function cachedCredentials<C = Credentials>(
  options: CachedCredentialsOptions<C>,
): (refused?: C) => Promise<C | undefined> {
  const { fetch, failed, now } = options
  let good: C | undefined
  let fetchedAt = -Infinity
  let refreshAt = Infinity
  let expiresAt = Infinity
  let problem: unknown
  let running: Promise<void> | undefined

  const refresh = (): Promise<void> => (running ??= renew().finally(() => (running = undefined)))

  async function renew(): Promise<void> {
    try {
      const found = await fetch()
      const { credentials, lifetime } = found ?? {}
      if (!isDeepStrictEqual(credentials, good)) good = credentials
      refreshAt = now() + (lifetime === undefined ? REFRESH_AFTER : lifetime * (1 - REFRESH_AHEAD))
      expiresAt = now() + (lifetime ?? Infinity)
      problem = undefined
    } catch (error) {
      problem = error
      if (good !== undefined) failed(error)
    } finally {
      fetchedAt = now()
    }
  }

  return async (refused) => {
    if (now() >= expiresAt) good = undefined
    const age = now() - fetchedAt
    if (good !== undefined && good !== refused) {
      if (now() >= refreshAt && (problem === undefined || age >= RETRY_AFTER)) void refresh()
      return good
    }
    if (running !== undefined || age >= RETRY_AFTER) await refresh()
    if (problem !== undefined) throw problem
    return good
  }
}
