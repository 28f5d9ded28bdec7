import { BEAT } from './heartbeat.ts'

/** Seconds that a pace is measured over. */
export const PACE_WINDOW = 30
const BEATS = 1_000 / BEAT

/**
 * How fast a download was in the last half minute: slow enough to tell a slow source from one that falters.
 */
export class Pace {
  /** Bytes at each second of the window, the oldest first. */
  readonly #marks: number[] = []
  #beats = 0

  /** Whole seconds that were measured, at most `PACE_WINDOW`. */
  get seconds(): number {
    return Math.max(0, this.#marks.length - 1)
  }

  /** Bytes per second; 0 before the first second is over. */
  get bytesPerSecond(): number {
    return this.seconds === 0 ? 0 : (this.#marks.at(-1)! - this.#marks[0]!) / this.seconds
  }

  /** Runs at every beat. `bytes`: how many there are by now. */
  beat(bytes: number): void {
    if (this.#beats % BEATS === 0) {
      this.#marks.push(bytes)
      if (this.#marks.length > PACE_WINDOW + 1) this.#marks.shift()
    }
    this.#beats += 1
  }
}
