/** Ticks of the rate of the moment. */
const MOMENT = 4
/** Ticks of the sustained rate. */
const SUSTAINED = 20

/** Measures a flow of bytes over a sliding window of ticks. */
export class RateMeter {
  readonly #period: number
  readonly #now: () => number
  #begunAt: number | undefined
  readonly #counts: number[] = []
  #current = 0
  #sum = 0
  #age = -1
  readonly #shares: { readonly bytes: number; readonly milliseconds: number }[] = []

  /** `period`: milliseconds between two ticks. `now`: monotonic milliseconds. */
  constructor(period: number, now: () => number = () => performance.now()) {
    this.#period = period
    this.#now = now
  }

  /** Bytes come from now on. The ticks before do not count. */
  begin(): void {
    this.#begunAt ??= this.#now()
  }

  /** Bytes per second. */
  get rate(): number {
    return this.#counts.length === 0 ? 0 : (this.#sum * 1000) / (this.#counts.length * this.#period)
  }

  /**
   * Bytes per second of one connection over the last two seconds, or since the beginning: what upstream lets it
   * have. The rate of the moment is lower when the machine was busy, and higher when what waited meanwhile comes
   * at once.
   */
  get sustained(): number {
    let bytes = 0
    let milliseconds = 0
    for (const share of this.#shares) {
      bytes += share.bytes
      milliseconds += share.milliseconds
    }
    return (bytes * 1000) / Math.max(1, milliseconds)
  }

  /** Whole periods that were measured. */
  get age(): number {
    return Math.max(0, this.#age)
  }

  add(bytes: number): void {
    this.#current += bytes
  }

  /**
   * The first tick comes after a part of a period, and only starts the measurement of the moment.
   * `connections`: how many there are.
   */
  tick(connections: number): void {
    if (this.#begunAt === undefined) return
    this.#age += 1
    const bytes = this.#current
    this.#current = 0
    const milliseconds = this.#age === 0 ? this.#now() - this.#begunAt : this.#period
    this.#shares.push({ bytes: bytes / Math.max(1, connections), milliseconds })
    if (this.#shares.length > SUSTAINED) this.#shares.shift()
    if (this.#age === 0) return
    this.#counts.push(bytes)
    this.#sum += bytes
    if (this.#counts.length > MOMENT) this.#sum -= this.#counts.shift() ?? 0
  }
}
