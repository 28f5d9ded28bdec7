interface Waiting {
  readonly failures: number
  /** When it is its turn, in milliseconds of the clock of whoever adds it. */
  readonly dueAt: number
}

/** Images that are to be pushed, each once, when it is their turn. Bounded. */
export class WaitingImages {
  readonly #most: number
  readonly #all: string
  readonly #images = new Map<string, Waiting>()

  /** @param all waits in the place of those for which there is no room, and has always room */
  constructor(most: number, all: string) {
    this.#most = most
    this.#all = all
  }

  /** When the first one is due; undefined when none waits. */
  get nextAt(): number | undefined {
    if (this.#images.size === 0) return undefined
    return this.#images.values().reduce((first, { dueAt }) => Math.min(first, dueAt), Infinity)
  }

  /** One that waits keeps its place; what failed before counts no more. */
  add(image: string, waiting: Waiting): void {
    const name = this.#images.has(image) || this.#images.size < this.#most ? image : this.#all
    const dueAt = Math.min(waiting.dueAt, this.#images.get(name)?.dueAt ?? Infinity)
    this.#images.set(name, { failures: waiting.failures, dueAt })
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
