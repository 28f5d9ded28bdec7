/** For how long downloads from each upstream have run. */
export class ActiveTime {
  readonly #now: () => number
  readonly #since = new Map<string, number>()
  readonly #spent = new Map<string, number>()

  /** @param now monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  /** So many downloads run from now on. */
  running(upstream: string, count: number): void {
    this.#settle(upstream)
    if (count === 0) this.#since.delete(upstream)
    else this.#since.set(upstream, this.#now())
  }

  /** The milliseconds since this was asked last. */
  take(upstream: string): number {
    this.#settle(upstream)
    const spent = this.#spent.get(upstream) ?? 0
    this.#spent.delete(upstream)
    return Math.ceil(spent)
  }

  #settle(upstream: string): void {
    const since = this.#since.get(upstream)
    if (since === undefined) return
    const now = this.#now()
    this.#spent.set(upstream, (this.#spent.get(upstream) ?? 0) + now - since)
    this.#since.set(upstream, now)
  }
}
