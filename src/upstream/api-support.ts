/** Whether an upstream has an API that not every registry has, learnt for all of its repositories. */
export class ApiSupport {
  readonly #now: () => number
  #missingUntil = -Infinity

  /** `now`: milliseconds that never go back. */
  constructor(now: () => number) {
    this.#now = now
  }

  get isMissing(): boolean {
    return this.#now() < this.#missingUntil
  }

  /** It may get one by an update: asked again after a while. */
  missing(): void {
    this.#missingUntil = this.#now() + LEARNT_FOR
  }
}

const LEARNT_FOR = 600_000

/** Said by registries and gateways that do not know the API. */
export const UNKNOWN_API: ReadonlySet<number> = new Set([400, 404, 405, 406, 410, 501])
