/** The decisions about a delivery, as pure functions. Times in milliseconds. */

/** What an attempt gave: a status, or that none came. */
export type Attempt =
  | { readonly status: number; readonly retryAfter?: number | undefined }
  /** `reason`: the code of the system, or what this program calls it. */
  | { readonly reason: string }

/** After so many attempts an event is given up: about 20 minutes. */
export const MOST_ATTEMPTS = 12

const FIRST_WAIT = 1_000
const LONGEST_WAIT = 300_000
/** The statuses below 500 that a retry may change. */
const PASSING = new Set([408, 425, 429])

/** `refused`: the receiver has answered, and would again. */
export function judge(attempt: Attempt): 'delivered' | 'refused' | 'failed' {
  if ('reason' in attempt) return attempt.reason === 'PRIVATE_ADDRESS' ? 'refused' : 'failed'
  const { status } = attempt
  if (status >= 200 && status < 300) return 'delivered'
  return status >= 500 || PASSING.has(status) ? 'failed' : 'refused'
}

/**
 * The wait after `failures` in a row, between a half and all of a time that doubles each time. `Retry-After`
 * holds where it asks for more.
 *
 * @param random 0 to 1
 */
export function waitAfter(attempt: Attempt, failures: number, random: number): number {
  const longest = Math.min(FIRST_WAIT * 2 ** (failures - 1), LONGEST_WAIT)
  const asked = 'status' in attempt ? (attempt.retryAfter ?? 0) : 0
  return Math.min(LONGEST_WAIT, Math.max(asked, longest * (0.5 + random / 2)))
}
