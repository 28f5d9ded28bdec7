import { LRUCache } from 'lru-cache'
import { mayServeStale } from '../oci/errors.ts'
import type { Asking, ReadOptions } from '../ports/read-options.ts'
import { singleFlight } from '../util/async/single-flight.ts'
import { timeBetween } from '../util/time-between.ts'
import { unnoticed } from './asking.ts'
import { isStaleFallback, staleFallbackSignal } from './tags/stale-fallback.ts'

/**
 * Upstream answers that may change at any time: tag lists and referrers. One request upstream serves all who
 * ask meanwhile, and its answer is kept in memory for a short while.
 */
export interface ShortTermCache<T> {
  get(key: string, ask: () => Promise<T | undefined>, options?: ReadOptions): Promise<T | undefined>
}

/** How long lists are served, in milliseconds. */
export interface ListFreshness {
  /** Without asking upstream again. */
  readonly lists: number
  /** The same for an answer that says that there is nothing. */
  readonly negative: number
  /** Past that, while upstream is unavailable. */
  readonly staleIfError: number
  readonly asking?: Asking | undefined
  /** Epoch milliseconds. */
  readonly now: () => number
}

export interface ShortTermCacheOptions<T> {
  /** Milliseconds that an answer is served without asking again. */
  readonly fresh: (answer: T) => number
  /** Milliseconds past that, during which it may be served while upstream is unavailable; 0 = not at all. */
  readonly staleIfError: (answer: T) => number
  /** Of all answers together; the least recently used goes first. */
  readonly maxBytes: number
  /** Bytes that an answer takes, roughly. */
  readonly sizeOf: (answer: T) => number
  readonly asking?: Asking | undefined
  /** Epoch milliseconds. */
  readonly now: () => number
}

interface Answer<T> {
  readonly value: T
  readonly at: number
}

export function shortTermCache<T extends object>(options: ShortTermCacheOptions<T>): ShortTermCache<T> {
  const { fresh, staleIfError, maxBytes, sizeOf, asking = unnoticed, now } = options
  const answers = new LRUCache<string, Answer<T>>({
    maxSize: maxBytes,
    sizeCalculation: ({ value }, key) => sizeOf(value) + key.length + OVERHEAD,
  })
  const questions = singleFlight<T | undefined>()

  return {
    async get(key, ask, options) {
      const known = answers.get(key)
      const left = known === undefined ? 0 : fresh(known.value) - timeBetween(now(), known.at)
      if (known !== undefined && left > 0) {
        options?.report?.({ result: 'hit', ttl: Math.ceil(left / 1000) })
        return known.value
      }
      try {
        const mayBeStale = known !== undefined && -left <= staleIfError(known.value)
        const wait = () => (mayBeStale ? staleFallbackSignal(options?.signal) : options?.signal)
        const { value, joined } = await asking(options, () =>
          questions.run(key, () => answered(key, ask), wait()),
        )
        options?.report?.({
          result: joined ? 'collapsed' : 'miss',
          forwardStatus: value === undefined ? 404 : 200,
        })
        return value
      } catch (error) {
        const isExcused = mayServeStale(error) || isStaleFallback(error, options?.signal)
        if (known === undefined || !isExcused || -left > staleIfError(known.value)) throw error
        options?.report?.({ result: 'stale', ttl: Math.ceil(left / 1000) })
        return known.value
      }
    },
  }

  /** Keeps the answer, also when those who have asked have left by then. */
  async function answered(key: string, ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const value = await ask()
    if (value === undefined) answers.delete(key)
    else answers.set(key, { value, at: now() })
    return value
  }
}

/** Bytes of an entry besides its answer and its key. */
const OVERHEAD = 512
