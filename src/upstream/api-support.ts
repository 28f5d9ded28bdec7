import { LRUCache } from 'lru-cache'

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

/** Repositories that are remembered. */
const MOST = 10_000

/**
 * The same for each repository: what is said of one that does not exist, or is kept elsewhere, is said of no
 * other.
 */
export class ApiSupportByRepository {
  readonly #known = new LRUCache<string, ApiSupport>({ max: MOST })
  readonly #now: () => number

  /** `now`: milliseconds that never go back. */
  constructor(now: () => number) {
    this.#now = now
  }

  of(repository: string): ApiSupport {
    const known = this.#known.get(repository) ?? new ApiSupport(this.#now)
    this.#known.set(repository, known)
    return known
  }
}

const LEARNT_FOR = 600_000

/** Said by registries and gateways that do not know the API. */
export const UNKNOWN_API: ReadonlySet<number> = new Set([400, 404, 405, 406, 410, 501])
