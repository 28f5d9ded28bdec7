import { type Credentials, sameCredentials } from './credentials.ts'

export interface CachedCredentialsOptions {
  readonly fetch: () => Promise<Credentials | undefined>
  /** Called for every failure while the last valid credentials stay in use. */
  readonly failed: (problem: unknown) => void
  /** Monotonic clock, in milliseconds. */
  readonly now: () => number
}

/**
 * Milliseconds. Helpers do not say how long their answer is valid, so it is fetched again after this time.
 */
const REFRESH_AFTER = 5 * 60_000
/**
 * Milliseconds after a failure or a refusal before another fetch. A denial must not start a program each
 * time.
 */
const RETRY_AFTER = 5_000

/**
 * Caches credentials that are costly to fetch. One fetch runs at a time. The present credentials stay in use
 * while newer ones are fetched, and when that fails. A caller waits for a fetch only if there are no
 * credentials, or the upstream refused them.
 */
export function cachedCredentials(
  options: CachedCredentialsOptions,
): (refused?: Credentials) => Promise<Credentials | undefined> {
  const { fetch, failed, now } = options
  let good: Credentials | undefined
  let fetchedAt = -Infinity
  let problem: unknown
  let running: Promise<void> | undefined

  const refresh = (): Promise<void> => (running ??= renew().finally(() => (running = undefined)))

  async function renew(): Promise<void> {
    try {
      const found = await fetch()
      if (!sameCredentials(found, good)) good = found
      problem = undefined
    } catch (error) {
      problem = error
      if (good !== undefined) failed(error)
    } finally {
      fetchedAt = now()
    }
  }

  return async (refused) => {
    const age = now() - fetchedAt
    if (good !== undefined && good !== refused) {
      if (age >= (problem === undefined ? REFRESH_AFTER : RETRY_AFTER)) void refresh()
      return good
    }
    if (running !== undefined || age >= RETRY_AFTER) await refresh()
    if (problem !== undefined) throw problem
    return good
  }
}
