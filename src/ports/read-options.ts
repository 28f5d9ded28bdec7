/**
 * How an answer came about, in the terms of RFC 9211.
 *
 * - `hit`: from the store, upstream was not asked. `negative`: so, and the answer is that it does not exist.
 * - `miss`: upstream was asked. `collapsed`: another client's request to upstream was joined.
 * - `revalidated`: a cached tag was past its freshness and upstream was asked.
 * - `stale`: so, but upstream is out of order and the cached answer was used.
 */
export interface CacheStatus {
  readonly result: 'hit' | 'negative' | 'miss' | 'collapsed' | 'revalidated' | 'stale'
  /** Seconds of freshness left; negative when past. */
  readonly ttl?: number
  /** What upstream answered, where it was asked and answered. */
  readonly forwardStatus?: number
  readonly stored?: boolean
}

/** Told how an answer came about, before the answer is given. The last call counts. */
export type Report = (status: CacheStatus) => void

export interface ReadOptions {
  /** Ends the caller's own wait, never work that others share. */
  readonly signal?: AbortSignal
  readonly report?: Report
  /** Of what is opened only a part will be read. */
  readonly partly?: boolean
}
