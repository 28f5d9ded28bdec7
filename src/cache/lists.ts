import { LRUCache } from 'lru-cache'
import { isOutage } from '../oci/errors.ts'
import type { ReadOptions } from '../ports/read-options.ts'
import { isImpatience, patience } from './stale-fallback.ts'
import { singleFlight } from '../util/single-flight.ts'

/** Answers that change upstream at any time (tag lists, referrers): asked once for all who ask, kept for a short while in memory. */
export interface ShortTermCache<T> {
  get(key: string, ask: () => Promise<T | undefined>, options?: ReadOptions): Promise<T | undefined>
}

export interface ShortTermCacheOptions {
  /** Milliseconds an answer is served without asking again. */
  readonly fresh: number
  /** Milliseconds past that it may be served while upstream is out of order. */
  readonly staleIfError: number
  /** How many answers are kept. */
  readonly max: number
  /** Epoch milliseconds. */
  readonly now: () => number
}

export function shortTermCache<T extends object>(options: ShortTermCacheOptions): ShortTermCache<T> {
  const { fresh, staleIfError, now } = options
  const answers = new LRUCache<string, { readonly value: T; readonly at: number }>({ max: options.max })
  const questions = singleFlight<T | undefined>()

  return {
    async get(key, ask, options) {
      const known = answers.get(key)
      const left = known === undefined ? 0 : fresh - (now() - known.at)
      if (known !== undefined && left > 0) {
        options?.report?.({ result: 'hit', ttl: Math.ceil(left / 1000) })
        return known.value
      }
      try {
        const wait = known === undefined ? options?.signal : patience(options?.signal)
        const { value, joined } = await questions.run(key, ask, wait)
        if (value === undefined) answers.delete(key)
        else answers.set(key, { value, at: now() })
        options?.report?.({
          result: joined ? 'collapsed' : 'miss',
          forwardStatus: value === undefined ? 404 : 200,
        })
        return value
      } catch (error) {
        const excused = isOutage(error) || isImpatience(error, options?.signal)
        if (known === undefined || !excused || -left > staleIfError) throw error
        options?.report?.({ result: 'stale', ttl: Math.ceil(left / 1000) })
        return known.value
      }
    },
  }
}
