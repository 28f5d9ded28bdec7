import { addressGroup } from '../util/address-group.ts'

/** Milliseconds that a refusal waits at most. */
const LONGEST = 2000
/** Milliseconds. */
const SECOND = 1000

/**
 * Has the refusals of one client come at a pace: so many at once, and then as many a second. A client that asks
 * again at once would otherwise have this process refuse it as fast as it can, at the cost of others (SEC-80).
 */
export class RefusalPace {
  /** Milliseconds between two. */
  readonly #interval: number
  /** When those that were paced so far are all due, without their start. */
  readonly #due = new Map<string, number>()
  #sweptAt = 0

  constructor(perSecond: number) {
    this.#interval = SECOND / perSecond
  }

  /**
   * The wait before one more refusal, in milliseconds; undefined when it would be longer than two seconds, and
   * then it does not count.
   *
   * @param address of the client
   * @param weight how many it counts for
   * @param now monotonic milliseconds
   */
  delay(address: string, weight = 1, now = performance.now()): number | undefined {
    this.#forgetIdle(now)
    const client = addressGroup(address)
    const due = Math.max(now, this.#due.get(client) ?? 0) + weight * this.#interval
    const delay = Math.max(0, due - now - SECOND)
    if (delay > LONGEST) return undefined
    this.#due.set(client, due)
    return delay
  }

  /** As `delay`, which is two seconds at most, however many wait. */
  boundedDelay(address: string): number {
    return this.delay(address) ?? LONGEST
  }

  #forgetIdle(now: number): void {
    if (now - this.#sweptAt < SECOND) return
    this.#sweptAt = now
    for (const [client, due] of this.#due) if (due <= now) this.#due.delete(client)
  }
}
