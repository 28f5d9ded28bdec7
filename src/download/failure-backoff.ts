import { LRUCache } from 'lru-cache'

/** Keeps content that an upstream delivers wrongly from being downloaded in vain over and over. */
export interface FailureBackoff {
  /** Whether the key has failed twice in a row, the last time a moment ago. */
  isBackingOff(key: string): boolean
  failed(key: string): void
  succeeded(key: string): void
}

const FAILURES = 2
/** Milliseconds. */
const DURATION = 10_000
/** Milliseconds after which a failure is forgotten. */
const FORGET_AFTER = 60_000
const MOST_KEYS = 10_000

/** `now`: monotonic milliseconds, greater than 0. */
export function failureBackoff(now: () => number): FailureBackoff {
  const failures = new LRUCache<string, { readonly count: number; readonly since: number }>({
    max: MOST_KEYS,
    ttl: FORGET_AFTER,
    ttlResolution: 0,
    perf: { now },
  })

  return {
    isBackingOff(key) {
      const entry = failures.get(key)
      return entry !== undefined && entry.count >= FAILURES && now() - entry.since < DURATION
    },
    failed(key) {
      failures.set(key, { count: (failures.get(key)?.count ?? 0) + 1, since: now() })
    },
    succeeded(key) {
      failures.delete(key)
    },
  }
}
