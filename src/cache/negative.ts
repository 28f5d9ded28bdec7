import { LRUCache } from 'lru-cache'
import type { Cluster } from '../ports/cluster.ts'

/**
 * Remembers for a short while that upstream said "does not exist". A denial or an outage is no such answer.
 */
export interface NegativeCache {
  has(key: string): boolean
  add(key: string): void
}

/** Keys of less than 1 KiB each. */
const REMEMBERED = 10_000

/**
 * `duration`: milliseconds; 0 remembers nothing. What one replica of a cluster is told, all remember for the rest
 * of its time.
 */
export function negativeCache(
  duration: number,
  cluster?: Pick<Cluster, 'tellAbsent' | 'onAbsent'>,
): NegativeCache {
  const absent = new LRUCache<string, true>({ max: REMEMBERED, ttl: Math.max(1, duration) })
  cluster?.onAbsent((key, rest) => {
    if (duration > 0 && rest > 0) absent.set(key, true, { ttl: Math.min(rest, duration) })
  })

  return {
    has: (key) => absent.has(key),
    add(key) {
      if (duration === 0) return
      absent.set(key, true)
      cluster?.tellAbsent(key, duration)
    },
  }
}
