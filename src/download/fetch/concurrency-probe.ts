/** Ticks until a connection is tried again after one was of no use. Doubles with each failure. */
const RETRY_AFTER = 50
/** Ticks that a new connection has to show an effect, */
const TRIAL = 4
/** and ticks more when it has shown none: the machine may have been busy with something else. */
const EXTENSION = 4
const WORTHWHILE_GAIN = 1.1

interface Trial {
  /** Bytes per second without the connection. */
  readonly rate: number
  readonly connections: number
  readonly until: number
  readonly isExtended: boolean
}

/**
 * Finds out how many connections a download should use. It tries one more at a time and keeps it if the whole
 * download gets faster: many registries limit the rate of a connection, some that of a client. A result holds
 * for a limited time only, because the machine may just have been busy.
 */
export class ConcurrencyProbe {
  readonly #most: number
  #allowed: number
  #retryAfter = RETRY_AFTER
  #reconsiderAt = Infinity
  #trial: Trial | undefined

  constructor(most: number) {
    this.#most = most
    this.#allowed = most
  }

  /** How many connections the download may have at the moment. */
  get allowed(): number {
    return this.#allowed
  }

  /** The newest connection is still on trial. */
  get isRunning(): boolean {
    return this.#trial !== undefined
  }

  /** A connection was just opened, and is one of `connections`; `rate` was measured without it. */
  begin(rate: number, connections: number, tick: number): void {
    this.#trial = { rate, connections, until: tick + TRIAL, isExtended: false }
  }

  /** Runs at every tick. `rate` in bytes per second. */
  judge(rate: number, connections: number, tick: number): void {
    if (tick >= this.#reconsiderAt) {
      this.#allowed = Math.min(this.#most, this.#allowed + 1)
      this.#reconsiderAt = Infinity
    }
    const trial = this.#trial
    if (trial === undefined || tick < trial.until) return
    const isOfNoUse = trial.connections === connections && rate < trial.rate * WORTHWHILE_GAIN
    if (isOfNoUse && !trial.isExtended) {
      this.#trial = { ...trial, until: tick + EXTENSION, isExtended: true }
      return
    }
    if (isOfNoUse) this.limit(connections - 1, tick)
    this.#trial = undefined
  }

  /** One connection more than `connections` was refused, or was of no use. */
  limit(connections: number, tick: number): void {
    this.#allowed = Math.max(1, connections)
    this.#reconsiderAt = tick + this.#retryAfter
    this.#retryAfter *= 2
  }
}
