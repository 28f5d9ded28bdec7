/** Ticks that the rate is measured over. */
const WINDOW = 4

/** Measures a flow of bytes over a sliding window of ticks. */
export class RateMeter {
  readonly #period: number
  readonly #counts: number[] = []
  #current = 0
  #sum = 0
  #age = -1

  /** `period`: milliseconds between two ticks. */
  constructor(period: number) {
    this.#period = period
  }

  /** Bytes per second. */
  get rate(): number {
    return this.#counts.length === 0 ? 0 : (this.#sum * 1000) / (this.#counts.length * this.#period)
  }

  /** Whole periods that were measured. */
  get age(): number {
    return Math.max(0, this.#age)
  }

  add(bytes: number): void {
    this.#current += bytes
  }

  /** The first tick comes after a part of a period, and only starts the measurement. */
  tick(): void {
    this.#age += 1
    if (this.#age > 0) {
      this.#counts.push(this.#current)
      this.#sum += this.#current
    }
    this.#current = 0
    if (this.#counts.length > WINDOW) this.#sum -= this.#counts.shift() ?? 0
  }
}
