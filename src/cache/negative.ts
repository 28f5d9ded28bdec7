import { LRUCache } from 'lru-cache'

/**
 * Remembers for a short while that upstream said "does not exist". A denial or an outage is no such answer.
 */
export interface NegativeCache {
  has(key: string): boolean
  add(key: string): void
}

/** Keys of less than 1 KiB each. */
const REMEMBERED = 10_000

/** `duration`: milliseconds; 0 remembers nothing. */
export function negativeCache(duration: number): NegativeCache {
  const absent = new LRUCache<string, true>({ max: REMEMBERED, ttl: Math.max(1, duration) })

  return {
    has: (key) => absent.has(key),
    add(key) {
      if (duration > 0) absent.set(key, true)
    },
  }
}
