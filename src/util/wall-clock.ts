/** Both clocks, in milliseconds, and what happens when the wall clock was set. */
export interface WallClockOptions {
  /** Epoch milliseconds. */
  readonly wall: () => number
  /** Since any instant. It may stand still while the machine sleeps. */
  readonly monotonic: () => number
  /** The clock has followed a step of the wall clock by so many milliseconds, forwards or backwards. */
  readonly stepped: (milliseconds: number) => void
}

/** Milliseconds by which the wall clock must be off: NTP corrects less than this step by step. */
const STEP = 1_000
/** Milliseconds for which it must stay there. A clock that is set wrong and right again is not followed. */
const SETTLED = 60_000
/** Milliseconds between two looks at the wall clock. */
const LOOK_EVERY = 100

/**
 * A clock that runs evenly, and follows the wall clock once that has moved and stayed: after a sleep, when
 * NTP comes late, or when somebody sets it. Until then an instant is what it would have been.
 *
 * @returns epoch milliseconds, whole ones
 */
export function wallClock({ wall, monotonic, stepped }: WallClockOptions): () => number {
  let origin = wall() - monotonic()
  let seen: { readonly offset: number; readonly since: number } | undefined
  let lookedAt = -Infinity

  function look(elapsed: number): void {
    lookedAt = elapsed
    const offset = wall() - elapsed - origin
    if (Math.abs(offset) < STEP) {
      seen = undefined
    } else if (seen === undefined || Math.abs(offset - seen.offset) >= STEP) {
      seen = { offset, since: elapsed }
    } else if (elapsed - seen.since >= SETTLED) {
      origin += offset
      seen = undefined
      stepped(offset)
    }
  }

  return () => {
    const elapsed = monotonic()
    if (elapsed - lookedAt >= LOOK_EVERY) look(elapsed)
    return Math.floor(origin + elapsed)
  }
}
