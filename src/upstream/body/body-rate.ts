import { setTimeout as delay } from 'node:timers/promises'

/** Milliseconds of the rate that may come at once after a pause. */
const BURST = 250

/** The bytes per second that all bodies of one upstream may bring together. */
export class BodyRate {
  readonly #bytesPerMs: number
  readonly #now: () => number
  /** When what has come so far is paid for, in milliseconds. */
  #paidAt = -Infinity

  /** `now`: monotonic milliseconds. */
  constructor(bytesPerSecond: number, now: () => number) {
    this.#bytesPerMs = bytesPerSecond / 1000
    this.#now = now
  }

  /** Charges for bytes that have come. @returns the milliseconds until more may come */
  charge(bytes: number): number {
    const now = this.#now()
    this.#paidAt = Math.max(this.#paidAt, now - BURST) + bytes / this.#bytesPerMs
    return Math.max(0, this.#paidAt - now)
  }
}

/** The same chunks, no faster than `rate` allows. A body that is not read stops its sender. */
export class PacedChunks implements AsyncIterator<Buffer, undefined> {
  readonly #chunks: AsyncIterator<Buffer, undefined>
  readonly #rate: Pick<BodyRate, 'charge'>
  readonly #signal: AbortSignal

  /** `signal` ends a wait. */
  constructor(chunks: AsyncIterator<Buffer, undefined>, rate: Pick<BodyRate, 'charge'>, signal: AbortSignal) {
    this.#chunks = chunks
    this.#rate = rate
    this.#signal = signal
  }

  async next(): Promise<IteratorResult<Buffer, undefined>> {
    const result = await this.#chunks.next()
    const wait = result.done === true ? 0 : this.#rate.charge(result.value.length)
    if (wait > 0) await delay(wait, undefined, { signal: this.#signal }).catch(() => this.#left())
    return result
  }

  async return(): Promise<IteratorResult<Buffer, undefined>> {
    return (await this.#chunks.return?.()) ?? { done: true, value: undefined }
  }

  #left(): never {
    throw this.#signal.reason
  }
}
