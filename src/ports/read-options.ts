import type { RegistryError } from '../oci/errors.ts'

/**
 * How an answer came about, in the terms of RFC 9211.
 *
 * - `hit`: from the store, without a request upstream. `negative`: the same, and the answer is "does not
 *   exist".
 * - `miss`: upstream was asked. `collapsed`: another client's request upstream was joined.
 * - `revalidated`: a cached tag was past its freshness, and upstream was asked.
 * - `stale`: the same, but upstream is unavailable and the cached answer was used.
 */
export interface CacheStatus {
  readonly result: 'hit' | 'negative' | 'miss' | 'collapsed' | 'revalidated' | 'stale'
  /** Seconds of freshness left; negative when past. */
  readonly ttl?: number
  /** The status of upstream's answer, when there was one. */
  readonly forwardStatus?: number
  readonly stored?: boolean
  /** Why it is stale; omitted when upstream took too long. */
  readonly outage?: RegistryError
  /** A tag has a newer digest, which a cool-down holds back until then, in epoch milliseconds. */
  readonly heldUntil?: number
  /**
   * Why else a tag is not answered as upstream says. `as-of`: the client asks for the past. `run`: the run of
   * the client has chosen before. `deleted`: upstream has deleted it, and a rule keeps it.
   */
  readonly detail?: 'as-of' | 'run' | 'deleted'
}

/** Receives how an answer came about, before the answer is given. The last call counts. */
export type Report = (status: CacheStatus) => void

export interface ReadOptions {
  /** Ends the caller's own wait, never work that others share. */
  readonly signal?: AbortSignal
  readonly report?: Report
  /** Who asks. Clients take turns where they wait for the same thing. */
  readonly client?: string
  /**
   * Called before upstream is asked for this answer, which waits for the promise. It rejects when the caller
   * leaves.
   */
  readonly beforeAsking?: () => Promise<void> | undefined
  /**
   * Called when a request upstream that was sent for this answer has its headers, or failed; also after the
   * answer. `seconds` count from the request.
   */
  readonly asked?: (seconds: number) => void
  /** As `UpstreamTelemetry.weighed`, for this answer; also after it. */
  readonly weighed?: (weight: number) => void
  /**
   * Upstream is asked for a tag, however fresh it is, and its failure is not excused (RFC 9111 `no-cache`); for
   * what is not stored, also where it has just said that there is none.
   */
  readonly noCache?: boolean
  /** A job of an operator reads it: that is a use, and no hit. */
  readonly isByJob?: boolean
  /** Only a part of the opened blob will be read. */
  readonly partly?: boolean
  /**
   * The manifest is asked for by tag, for a client that does not take schema 1, or of that only what is signed.
   */
  readonly refusesSchema1?: boolean | 'unsigned'
  /** The caller takes a reader that has a `location` instead of bytes. */
  readonly mayRedirect?: boolean
}

/** Runs work that asks upstream for somebody's answer, so that what it costs is told of that answer. */
export type Asking = <T>(options: ReadOptions | undefined, work: () => Promise<T>) => Promise<T>
