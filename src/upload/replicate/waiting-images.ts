interface Waiting {
  readonly failures: number
  /** When it is its turn, in milliseconds. */
  readonly dueAt: number
}

/** Images that are to be pushed, each once, when it is their turn. Bounded. */
export class WaitingImages {
  readonly #most: number
  readonly #images = new Map<string, Waiting>()

  constructor(most: number) {
    this.#most = most
  }

  /** When the first one is due; undefined when none waits. */
  get nextAt(): number | undefined {
    if (this.#images.size === 0) return undefined
    return this.#images.values().reduce((first, { dueAt }) => Math.min(first, dueAt), Infinity)
  }

  /**
   * One that waits keeps its place; what failed before counts no more.
   *
   * @returns false when there is no room for it
   */
  add(image: string, waiting: Waiting): boolean {
    const known = this.#images.get(image)
    if (known === undefined && this.#images.size >= this.#most) return false
    const dueAt = Math.min(waiting.dueAt, known?.dueAt ?? Infinity)
    this.#images.set(image, { failures: waiting.failures, dueAt })
    return true
  }

  /** Takes those that are due, with how often they have failed. */
  take(now: number, most: number): ReadonlyMap<string, number> {
    const taken = new Map<string, number>()
    for (const [image, { failures, dueAt }] of this.#images) {
      if (dueAt > now || taken.size >= most) continue
      taken.set(image, failures)
      this.#images.delete(image)
    }
    return taken
  }
}
