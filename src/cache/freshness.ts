import type { TagEntry } from '../ports/metadata.ts'

export interface FreshnessRule {
  readonly match: RegExp
  /** Milliseconds a tag is served without asking upstream. */
  readonly fresh: number
}

export interface FreshnessPolicy {
  /** The first that matches decides; a tag that none matches is always revalidated. */
  readonly rules: readonly FreshnessRule[]
  /** Milliseconds past its freshness that a tag may be served while upstream is out of order. */
  readonly staleIfError: number
}

/** While upstream will soon answer no more, tags stay fresh so many times as long, and its answers are left for what is not cached. */
const STRETCH = 10

export interface Freshness {
  /** `fresh`: answer from here. `stale`: ask upstream; if it is out of order, answer from here. `expired`: ask, or fail. */
  readonly state: 'fresh' | 'stale' | 'expired'
  /** Seconds of freshness left; negative when past. */
  readonly ttl: number
}

/**
 * Whether a cached tag may be served at `now` (epoch milliseconds). `isNearlyExhausted`: the upstream's
 * rate limit is nearly used up.
 *
 * An entry checked in the future was written under another clock: how old it is cannot be known, so it has to be revalidated,
 * and is worth serving only in an outage.
 */
export function freshnessOf(
  tag: string,
  entry: TagEntry,
  now: number,
  policy: FreshnessPolicy,
  isNearlyExhausted = false,
): Freshness {
  const rule = policy.rules.find(({ match }) => match.test(tag))?.fresh ?? 0
  const fresh = isNearlyExhausted ? rule * STRETCH : rule
  const age = now - entry.checkedAt
  const left = age < 0 ? 0 : fresh - age
  const state = left > 0 ? 'fresh' : -left <= policy.staleIfError ? 'stale' : 'expired'
  return { state, ttl: Math.ceil(left / 1000) }
}
