import { type Answer, headerOf } from '../requests.ts'

/** What an upstream says of how many requests it will still answer. */
export interface RateBudget {
  /** Few are left: they are kept for what is not cached. */
  readonly isNearlyExhausted: boolean
  /** @returns how many are left, where the answer says so */
  observe(answer: Answer): number | undefined
}

/** Below this share of the limit requests are scarce. */
const SCARCE = 0.1
/** Seconds; Docker Hub's window, for upstreams that do not say theirs. */
const WINDOW = 6 * 3600

/**
 * Reads `RateLimit-Limit` and `RateLimit-Remaining` as Docker Hub sends them (`100;w=21600`) and as the IETF draft had them
 * (draft-ietf-httpapi-ratelimit-headers-07). `now`: milliseconds that never go back.
 */
export function rateBudget(now: () => number): RateBudget {
  let scarceUntil = -Infinity

  return {
    get isNearlyExhausted() {
      return now() < scarceUntil
    },
    observe(answer) {
      const limit = parse(headerOf(answer, 'ratelimit-limit'))
      const remaining = parse(headerOf(answer, 'ratelimit-remaining'))
      if (remaining === undefined) return undefined
      if (limit !== undefined && limit.count > 0) {
        const seconds =
          parse(headerOf(answer, 'ratelimit-reset'))?.count ?? remaining.window ?? limit.window ?? WINDOW
        scarceUntil = remaining.count < limit.count * SCARCE ? now() + seconds * 1000 : -Infinity
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
