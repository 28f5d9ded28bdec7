/**
 * Keeps requests away from a service that has just failed, so that nobody waits for it again and again. One
 * request at a time tries whether it is back.
 */
export interface Circuit {
  /** Requests are kept away now. */
  readonly isOpen: boolean
  /** Whether a request may be sent. One that may, while the service is out, is the one that tries. */
  mayTry(): boolean
  succeeded(): void
  failed(): void
}

/** Milliseconds without requests after the first failure; each further one doubles them. */
const FIRST = 250
const LONGEST = 5_000

/** `now`: monotonic milliseconds. */
export function circuit(now: () => number, longest = LONGEST): Circuit {
  let failures = 0
  let until = 0
  const wait = (): number => Math.min(longest, FIRST * 2 ** (failures - 1))
  return {
    get isOpen() {
      return now() < until
    },
    mayTry() {
      if (now() < until) return false
      // Others wait until this request has shown whether the service is back.
      if (failures > 0) until = now() + wait()
      return true
    },
    succeeded() {
      failures = 0
      until = 0
    },
    failed() {
      failures += 1
      until = now() + wait()
    },
  }
}
