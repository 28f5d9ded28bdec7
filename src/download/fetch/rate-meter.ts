/** Ticks that the rate is measured over. */
const WINDOW = 4
/** Ticks that the fastest rate of a connection is remembered. */
const MEMORY = 20
/** Ticks of the beginning. What had waited while the process was slow to begin comes at once. */
const BEGINNING = 5

/** Measures a flow of bytes over a sliding window of ticks. */
export class RateMeter {
  readonly #period: number
  readonly #now: () => number
  #begunAt: number | undefined
  readonly #counts: number[] = []
  #current = 0
  #sum = 0
  #age = -1
  /** Bytes per second of one connection, after each tick. */
  readonly #shares: number[] = []
  /** What one connection has had in the beginning. */
  readonly #beginning = { bytes: 0, milliseconds: 0 }

  /** `period`: milliseconds between two ticks. `now`: monotonic milliseconds. */
  constructor(period: number, now: () => number = () => performance.now()) {
    this.#period = period
    this.#now = now
  }

  /** Bytes come from now on. Ticks before do not count. */
  begin(): void {
    this.#begunAt ??= this.#now()
  }

  /** Bytes per second. */
  get rate(): number {
    return this.#counts.length === 0 ? 0 : (this.#sum * 1000) / (this.#counts.length * this.#period)
  }

  /**
   * Bytes per second of one connection at its best in the last two seconds: what upstream lets it have. The
   * rate of the moment may be lower because the machine is busy. During the first half second it is the mean
   * since the beginning.
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
    if (this.#begunAt === undefined) return
    this.#age += 1
    const bytes = this.#current
    this.#current = 0
    if (this.#age > 0) {
      this.#counts.push(bytes)
      this.#sum += bytes
    }
    if (this.#counts.length > WINDOW) this.#sum -= this.#counts.shift() ?? 0
    const each = Math.max(1, connections)
    if (this.#age > BEGINNING) this.#shares.push(this.rate / each)
    else this.#shares[0] = this.#meanWith(bytes / each, this.#begunAt)
    if (this.#shares.length > MEMORY) this.#shares.shift()
  }

  #meanWith(bytes: number, begunAt: number): number {
    const beginning = this.#beginning
    beginning.bytes += bytes
    beginning.milliseconds += this.#age === 0 ? this.#now() - begunAt : this.#period
    return (beginning.bytes * 1000) / Math.max(1, beginning.milliseconds)
  }
}
