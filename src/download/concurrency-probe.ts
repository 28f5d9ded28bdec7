/** Ticks until another connection is tried again after one was of no use; twice as many after each further one. */
const PATIENCE = 50
/** Ticks that a new connection gets to show what it is worth. */
const TRIAL = 4
const WORTHWHILE_GAIN = 1.1

/**
 * How many connections one transfer may have. One more is opened at a time, and stays where it makes the whole faster: many
 * upstreams limit a connection, some a client. What was found out holds for a while only: the machine may just have been busy.
 */
export class ConnectionTrials {
  readonly #most: number
  #allowed: number
  #patience = PATIENCE
  #reconsiderAt = Infinity
  #trial: { readonly rate: number; readonly connections: number; readonly until: number } | undefined

  constructor(most: number) {
    this.#most = most
    this.#allowed = most
  }

  get allowed(): number {
    return this.#allowed
  }

  /** Whether the connection opened last is still to be judged. */
  get isRunning(): boolean {
    return this.#trial !== undefined
  }

  /** `connections` are open now, the last of them just now; `rate` is what there was without it. */
  begin(rate: number, connections: number, tick: number): void {
    this.#trial = { rate, connections, until: tick + TRIAL }
  }

  /** To be called at every tick. `rate` in bytes per second. */
  judge(rate: number, connections: number, tick: number): void {
    if (tick >= this.#reconsiderAt) {
      this.#allowed = Math.min(this.#most, this.#allowed + 1)
      this.#reconsiderAt = Infinity
    }
    if (this.#trial === undefined || tick < this.#trial.until) return
    const isComparable = this.#trial.connections === connections
    if (isComparable && rate < this.#trial.rate * WORTHWHILE_GAIN) this.limit(connections - 1, tick)
    this.#trial = undefined
  }

  /** One more than `connections` was refused, or of no use. */
  limit(connections: number, tick: number): void {
    this.#allowed = Math.max(1, connections)
    this.#reconsiderAt = tick + this.#patience
    this.#patience *= 2
  }
}
