/** Looks that count. */
const LOOKS = 8
/** A socket may be empty for a moment, also because this process or upstream had no CPU. */
const LEAST_DRY = 3

/**
 * What one found when one looked at a socket of late. A single look may meet the moment at which a piece comes,
 * however slow its sender is: senders with a limit send in bursts.
 */
export class RecentLooks {
  readonly #found: boolean[] = []

  add(isEmpty: boolean): void {
    this.#found.push(isEmpty)
    if (this.#found.length > LOOKS) this.#found.shift()
  }

  /** It was empty most of the time, and not by chance. */
  get isDry(): boolean {
    const dry = this.#found.filter(Boolean).length
    return dry >= LEAST_DRY && dry > this.#found.length / 2
  }
}
