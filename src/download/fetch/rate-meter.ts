/** Ticks that the rate is measured over. */
const WINDOW = 4
/** Ticks that the fastest rate of a connection is remembered. */
const MEMORY = 20

/** Measures a flow of bytes over a sliding window of ticks. */
export class RateMeter {
  readonly #period: number
  readonly #counts: number[] = []
  #current = 0
  #sum = 0
  #age = -1
  readonly #shares: number[] = []

  /** `period`: milliseconds between two ticks. */
  constructor(period: number) {
    this.#period = period
  }

  /** Bytes per second. */
  get rate(): number {
    return this.#counts.length === 0 ? 0 : (this.#sum * 1000) / (this.#counts.length * this.#period)
  }

  /**
   * Bytes per second of one connection at its best in the last two seconds: what upstream lets it have. The
   * rate of the moment may be lower because the machine is busy.
   */
  get fastest(): number {
    return Math.max(0, ...this.#shares)
  }

  /** Whole periods that were measured. */
  get age(): number {
    return Math.max(0, this.#age)
  }

  add(bytes: number): void {
    this.#current += bytes
  }

  /**
   * The first tick comes after a part of a period, and only starts the measurement. `connections`: how many
   * there are.
   */
  tick(connections: number): void {
    this.#age += 1
    if (this.#age > 0) {
      this.#counts.push(this.#current)
      this.#sum += this.#current
    }
    this.#current = 0
    if (this.#counts.length > WINDOW) this.#sum -= this.#counts.shift() ?? 0
    this.#shares.push(this.rate / Math.max(1, connections))
    if (this.#shares.length > MEMORY) this.#shares.shift()
  }
}
