import type { TagEntry } from '../../ports/metadata.ts'

export interface FreshnessRule {
  readonly match: Pick<RegExp, 'test'>
  /** Milliseconds that a tag is served without asking upstream. */
  readonly fresh: number
}

export interface FreshnessPolicy {
  /** The first rule that matches decides. A tag that no rule matches is always revalidated. */
  readonly rules: readonly FreshnessRule[]
  /** Milliseconds past its freshness that a tag may be served while upstream is unavailable. */
  readonly staleIfError: number
  /**
   * Since when an upstream is where it is now, in epoch milliseconds. What was confirmed before is not fresh.
   * Omitted: always.
   */
  readonly since?: (upstream: string) => number
  /** Whether an upstream is never asked. What is known of its tags holds. Omitted: none is. */
  readonly isOffline?: (upstream: string) => boolean
}

/**
 * Tags stay fresh this many times as long while the rate limit is nearly used up: it is left for content that
 * is not cached.
 */
const STRETCH = 10

export interface Freshness {
  /**
   * `fresh`: serve it. `stale`: ask upstream, and serve it if upstream is unavailable. `expired`: ask
   * upstream, or fail.
   */
  readonly state: 'fresh' | 'stale' | 'expired'
  /** Seconds of freshness left; negative when past. */
  readonly ttl: number
}

/**
 * Whether a cached tag may be served at `now` (epoch milliseconds). `isNearlyExhausted`: the upstream's rate
 * limit is nearly used up.
 *
 * An entry with a `checkedAt` in the future was written under another clock. Its age is unknown, so it is
 * revalidated, and served only in an outage.
 */
export function freshnessOf(
  upstream: string,
  tag: string,
  entry: TagEntry,
  now: number,
  policy: FreshnessPolicy,
  isNearlyExhausted = false,
): Freshness {
  const rule = policy.rules.find(({ match }) => match.test(tag))?.fresh ?? 0
  const fresh = isNearlyExhausted ? rule * STRETCH : rule
  const age = now - entry.checkedAt
  const isConfirmed = age >= 0 && entry.checkedAt >= (policy.since?.(upstream) ?? 0)
  const left = isConfirmed ? fresh - age : Math.min(0, fresh - Math.max(age, 0))
  if (policy.isOffline?.(upstream) === true) return { state: 'fresh', ttl: Math.ceil(left / 1000) }
  const state = left > 0 ? 'fresh' : -left <= policy.staleIfError ? 'stale' : 'expired'
  return { state, ttl: Math.ceil(left / 1000) }
}
