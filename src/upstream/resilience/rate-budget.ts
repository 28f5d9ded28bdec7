import { type UpstreamResponse, headerOf } from '../requests.ts'

/** The rate limit of an upstream, as its responses state it. */
export interface RateBudget {
  /** Few requests are left. They are kept for content that is not cached. */
  readonly isNearlyExhausted: boolean
  /** Of how many requests, where an answer has said so. */
  readonly limit: number | undefined
  /** Returns how many requests are left, where the response says so. */
  observe(response: UpstreamResponse): number | undefined
}

/** Below this share of the limit it is nearly exhausted. */
const NEARLY_EXHAUSTED = 0.1
/** Seconds. Docker Hub's window, for upstreams that do not state one. */
const WINDOW = 6 * 3600

/**
 * Reads `RateLimit-Limit` and `RateLimit-Remaining` as Docker Hub sends them (`100;w=21600`) and as the IETF
 * draft defines them (draft-ietf-httpapi-ratelimit-headers-07). `now` is a monotonic clock in milliseconds.
 */
export function rateBudget(now: () => number): RateBudget {
  let exhaustedUntil = -Infinity
  let known: number | undefined

  return {
    get isNearlyExhausted() {
      return now() < exhaustedUntil
    },
    get limit() {
      return known
    },
    observe(response) {
      const limit = parse(headerOf(response, 'ratelimit-limit'))
      const remaining = parse(headerOf(response, 'ratelimit-remaining'))
      if (remaining === undefined) return undefined
      if (limit !== undefined && limit.count > 0) {
        known = limit.count
        const seconds =
          parse(headerOf(response, 'ratelimit-reset'))?.count ?? remaining.window ?? limit.window ?? WINDOW
        exhaustedUntil = remaining.count < limit.count * NEARLY_EXHAUSTED ? now() + seconds * 1000 : -Infinity
      }
      return remaining.count
    },
  }
}

function parse(header: string | undefined): { count: number; window?: number } | undefined {
  const match = /^\s*(\d{1,15})(?:\s*;(?:.*;)?\s*w=(\d{1,9}))?/.exec(header ?? '')
  if (match === null) return undefined
  return { count: Number(match[1]), ...(match[2] !== undefined && { window: Number(match[2]) }) }
}
