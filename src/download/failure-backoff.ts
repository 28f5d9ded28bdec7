/** Remembers content that an upstream keeps getting wrong, so that it is not fetched in vain over and over. */
export interface Quarantine {
  has(key: string): boolean
  /** Counts one failure; the second in a row shuts the key out for a while. */
  blame(key: string): void
  clear(key: string): void
}

const FAILURES = 2
const DURATION = 10_000
const FORGET_AFTER = 60_000

/** `now`: monotonic milliseconds. */
export function quarantine(now: () => number): Quarantine {
  const blamed = new Map<string, { count: number; since: number }>()

  return {
    has(key) {
      const entry = blamed.get(key)
      return entry !== undefined && entry.count >= FAILURES && now() - entry.since < DURATION
    },
    blame(key) {
      const instant = now()
      for (const [other, { since }] of blamed) if (instant - since > FORGET_AFTER) blamed.delete(other)
      blamed.set(key, { count: (blamed.get(key)?.count ?? 0) + 1, since: instant })
    },
    clear(key) {
      blamed.delete(key)
    },
  }
}
