/** Milliseconds between two beats. */
export const BEAT = 100
/** The share of time the event loop was occupied, from which on the process counts as busy. */
const BUSY = 0.85

export interface Beating {
  /** `isBusy`: this process was at its own limit since the last beat. */
  beat(isBusy: boolean): void
}

/** One timer for all downloads. It runs while there are any. */
export class Heartbeat {
  readonly #members = new Set<Beating>()
  #timer: NodeJS.Timeout | undefined
  #load = performance.eventLoopUtilization()

  /** `member` beats until the result is disposed. */
  add(member: Beating): Disposable {
    this.#members.add(member)
    if (this.#timer === undefined) {
      this.#load = performance.eventLoopUtilization()
      this.#timer = setInterval(() => this.#beat(), BEAT)
    }
    return {
      [Symbol.dispose]: () => {
        this.#members.delete(member)
        if (this.#members.size > 0) return
        clearInterval(this.#timer)
        this.#timer = undefined
      },
    }
  }

  #beat(): void {
    const before = this.#load
    this.#load = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(this.#load, before)
    for (const member of this.#members) member.beat(utilization > BUSY)
  }
}
