import { addressGroup } from '../util/address-group.ts'

/** Milliseconds that anything waits at most. */
const LONGEST = 2000
/** Milliseconds. */
const SECOND = 1000

/**
 * Has what this process does in vain for one client come at a pace: so many at once, and then as many a second. A
 * client that is refused and asks again at once, or that leaves what it asks for, would otherwise keep this process
 * as busy as it can, at the cost of others (SEC-80).
 */
export class ClientPace {
  /** Milliseconds between two. */
  readonly #interval: number
  /** When those that were paced so far are all due, without their start. */
  readonly #due = new Map<string, number>()
  #sweptAt = 0

  constructor(perSecond: number) {
    this.#interval = SECOND / perSecond
  }

  /**
   * The wait before one more, in milliseconds; undefined when it would be longer than two seconds, and
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

  /** The wait until one more would come at once, in milliseconds. None is counted. */
  wait(address: string, now = performance.now()): number {
    if (this.#due.size === 0) return 0
    return Math.max(0, (this.#due.get(addressGroup(address)) ?? 0) - now - SECOND)
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
