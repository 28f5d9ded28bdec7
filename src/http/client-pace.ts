import { addressGroup } from '../util/address-group.ts'

/** Milliseconds that anything waits at most, unless another time is given. */
const LONGEST = 2000
/** Milliseconds. */
const SECOND = 1000

export interface ClientPaceOptions {
  /** Milliseconds whose number comes at once. */
  readonly atOnce?: number
  /** Milliseconds that anything waits at most. */
  readonly longest?: number
}

/**
 * Has what this process does for one client, and others pay for, come at a pace: so many at once, and then so many
 * a second. A client that is refused and asks again at once, or that leaves what it asks for, would otherwise keep
 * this process as busy as it can, at the cost of others (SEC-80).
 */
export class ClientPace {
  /** Milliseconds between two. */
  readonly #interval: number
  readonly #atOnce: number
  readonly #longest: number
  /** When those that were paced so far are all due, without their start. */
  readonly #due = new Map<string, number>()
  #sweptAt = 0

  constructor(perSecond: number, { atOnce = SECOND, longest = LONGEST }: ClientPaceOptions = {}) {
    this.#interval = SECOND / perSecond
    this.#atOnce = atOnce
    this.#longest = longest
  }

  /**
   * The wait before one more, in milliseconds; undefined when it would be longer than the longest, and then it
   * does not count.
   *
   * @param address of the client
   * @param weight how many it counts for
   * @param now monotonic milliseconds
   */
  delay(address: string, weight = 1, now = performance.now()): number | undefined {
    this.#forgetIdle(now)
    const client = addressGroup(address)
    const due = this.#dueAfter(client, weight, now)
    const delay = Math.max(0, due - now - this.#atOnce)
    if (delay > this.#longest) return undefined
    this.#due.set(client, due)
    return delay
  }

  /** Counts what was done, of which nobody knew before how much it would be. */
  spent(address: string, weight: number, now = performance.now()): void {
    this.#forgetIdle(now)
    const client = addressGroup(address)
    const latest = now + this.#atOnce + this.#longest
    this.#due.set(client, Math.min(latest, this.#dueAfter(client, weight, now)))
  }

  /** The wait until one more would come at once, in milliseconds. None is counted. */
  wait(address: string, now = performance.now()): number {
    if (this.#due.size === 0) return 0
    return Math.max(0, (this.#due.get(addressGroup(address)) ?? 0) - now - this.#atOnce)
  }

  /** As `delay`, but the longest wait for all that would wait longer. */
  boundedDelay(address: string): number {
    return this.delay(address) ?? this.#longest
  }

  #dueAfter(client: string, weight: number, now: number): number {
    return Math.max(now, this.#due.get(client) ?? 0) + weight * this.#interval
  }

  #forgetIdle(now: number): void {
    if (now - this.#sweptAt < SECOND) return
    this.#sweptAt = now
    for (const [client, due] of this.#due) if (due <= now) this.#due.delete(client)
  }
}
