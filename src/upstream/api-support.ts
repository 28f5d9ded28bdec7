/** Whether there is an API that not every registry has. */
export class ApiSupport {
  readonly #now: () => number
  #missingUntil = -Infinity
  #hasWorked = false

  /** `now`: milliseconds that never go back. */
  constructor(now: () => number) {
    this.#now = now
  }

  get isMissing(): boolean {
    return this.#now() < this.#missingUntil
  }

  /**
   * It may get one by an update: asked again after a while. Where there is one, such an answer is about what was
   * asked for.
   */
  missing(): void {
    if (!this.#hasWorked) this.#missingUntil = this.#now() + LEARNT_FOR
  }

  worked(): void {
    this.#hasWorked = true
  }
}

const LEARNT_FOR = 600_000

/** Said by registries and gateways that do not know the API. */
export const UNKNOWN_API: ReadonlySet<number> = new Set([400, 404, 405, 406, 410, 501])
