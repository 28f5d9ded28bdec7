/** What the cache spared, by day (UTC), upstream, repository and network of clients. */

export interface Saved {
  /** Requests of clients that caused none upstream. */
  readonly requests: number
  /** Bytes of content sent to clients that upstream did not send. */
  readonly bytes: number
  /** Of the requests those that a rate limit would have counted: GETs of manifests. */
  readonly budget: number
}

export interface SavedRow extends Saved {
  /** Days since 1970. */
  readonly day: number
  readonly upstream: string
  readonly repository: string
  readonly network: string
}

/** What an upstream sent, and during how many milliseconds downloads from it ran. */
export interface RateRow {
  readonly day: number
  readonly upstream: string
  readonly bytes: number
  readonly milliseconds: number
}

export type SavingsBy = 'upstream' | 'repository' | 'client' | 'day'

export interface SavingsLog {
  /** Adds to the rows of the same day, upstream, repository and network. */
  add(saved: readonly SavedRow[], rates: readonly RateRow[]): Promise<void>
  /** Of one day, summed by upstream and by `by`. `client` = by network. */
  savedOn(day: number, by: SavingsBy): Promise<readonly (Saved & { upstream: string; name: string })[]>
  ratesSince(day: number): Promise<readonly Omit<RateRow, 'day'>[]>
  /** Forgets the days before this one. */
  forgetBefore(day: number): Promise<void>
}

/** As the admin API sends it. */
export interface SavingsReport {
  readonly by: SavingsBy
  /** The first day that has something, `2026-11-26`. */
  readonly since: string
  readonly total: SavedReport
  /** The largest first. */
  readonly rows: readonly (SavedReport & { readonly name: string })[]
}

export interface SavedReport extends Saved {
  /** The bytes at the rate at which their upstreams sent others; null = none was measured. */
  readonly seconds: number | null
}
