import { addressGroup } from '../util/address-group.ts'

/** Refusals of one client that are answered at once in a second. */
const AT_ONCE = 8
/** Milliseconds. */
const SECOND = 1000

/**
 * Delays the refusals of a client whose requests are refused again and again. A client that asks again at once
 * would otherwise have this process refuse as fast as it can (SEC-80). Each of its connections then costs a
 * refusal a second.
 */
export class RefusalPace {
  readonly #counts = new Map<string, number>()
  #since = Number.NEGATIVE_INFINITY

  /**
   * Milliseconds to wait before a refusal is answered.
   *
   * @param address of the client
   * @param now monotonic milliseconds
   */
  delay(address: string, now = performance.now()): number {
    if (now - this.#since >= SECOND) {
      this.#since = now
      this.#counts.clear()
    }
    const client = addressGroup(address)
    const count = (this.#counts.get(client) ?? 0) + 1
    this.#counts.set(client, count)
    return count > AT_ONCE ? SECOND : 0
  }
}
