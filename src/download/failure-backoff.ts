/** Keeps content that an upstream delivers wrongly from being downloaded in vain over and over. */
export interface FailureBackoff {
  /** Whether the key has failed twice in a row, the last time a moment ago. */
  isBackingOff(key: string): boolean
  failed(key: string): void
  succeeded(key: string): void
}

const FAILURES = 2
/** Milliseconds. */
const DURATION = 10_000
/** Milliseconds after which a failure is forgotten. */
const FORGET_AFTER = 60_000

/** `now`: monotonic milliseconds. */
export function failureBackoff(now: () => number): FailureBackoff {
  const failures = new Map<string, { count: number; since: number }>()

  return {
    isBackingOff(key) {
      const entry = failures.get(key)
      return entry !== undefined && entry.count >= FAILURES && now() - entry.since < DURATION
    },
    failed(key) {
      const instant = now()
      for (const [other, { since }] of failures) {
        if (instant - since > FORGET_AFTER) failures.delete(other)
      }
      failures.set(key, { count: (failures.get(key)?.count ?? 0) + 1, since: instant })
    },
    succeeded(key) {
      failures.delete(key)
    },
  }
}
