import { setTimeout as delay } from 'node:timers/promises'

/** Holds back the requests to a destination that has said it limits us. */
export class LimitGate {
  readonly #now: () => number
  #until = -Infinity

  /** `now`: monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** No request for so many milliseconds from now. */
  close(milliseconds: number): void {
    this.#until = Math.max(this.#until, this.#now() + milliseconds)
  }

  /** @throws the signal's reason */
  async pass(signal: AbortSignal | undefined): Promise<void> {
    for (let wait; (wait = this.#until - this.#now()) > 0;) {
      await delay(wait, undefined, { signal }).catch(() => signal?.throwIfAborted())
    }
    signal?.throwIfAborted()
  }
}
