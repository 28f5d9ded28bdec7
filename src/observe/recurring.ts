import { LRUCache } from 'lru-cache'
import { timeBetween } from '../util/time-between.ts'

/** Milliseconds between two lines about the same trouble. */
const EVERY = 60_000
/** Troubles that are told apart. */
const MOST = 1_000

/**
 * Tells of each trouble at once, and then once a minute with how often it has come back, so that a trouble
 * that meets every request is not a line for every request.
 *
 * @returns a function that returns how often the trouble came since it was last told; undefined = say nothing
 */
export function recurring(now: () => number): (trouble: string) => number | undefined {
  const seen = new LRUCache<string, { at: number; count: number }>({ max: MOST })
  return (trouble) => {
    const last = seen.get(trouble)
    if (last !== undefined && timeBetween(now(), last.at) < EVERY) {
      last.count += 1
      return undefined
    }
    const times = (last?.count ?? 0) + 1
    seen.set(trouble, { at: now(), count: 0 })
    return times
  }
}
