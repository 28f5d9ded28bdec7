import { type ErrorCode, isRegistryError, RegistryError } from '../../oci/errors.ts'

/** Stops sending requests after failures. Requests are refused at once meanwhile. */
export interface Circuit {
  /** Runs `task`. While the circuit is open it throws the error that opened it instead. */
  run<T>(task: () => Promise<T>): Promise<T>
  /**
   * The error that `run` would throw without running its task. Undefined when it would run it, as a probe or
   * not.
   */
  readonly refusal: RegistryError | undefined
}

export interface CircuitOptions {
  /** Monotonic clock, in milliseconds. */
  readonly now: () => number
  /** Called with the reason when the circuit opens, and without when it closes. */
  readonly changed?: (reason: RegistryError | undefined) => void
  /**
   * What each failure weighs; the circuit opens at a weight of 5 in a row. A failure of weight 0 says nothing
   * either way. One that is not in the table is an answer, and closes the circuit.
   */
  readonly weights: Partial<Record<ErrorCode, number>>
}

/** A timeout keeps clients waiting for seconds, so one is enough. */
export const OUTAGE_WEIGHTS = { UPSTREAM_UNAVAILABLE: 1, UPSTREAM_TIMEOUT: 5, UPSTREAM_LIMITED: 0 } as const
/** For a circuit that opens when the upstream limits us. */
export const LIMIT_WEIGHTS = { UPSTREAM_LIMITED: 5, UPSTREAM_UNAVAILABLE: 0, UPSTREAM_TIMEOUT: 0 } as const

const THRESHOLD = 5
/** Milliseconds. */
const SHORTEST = 2_000
/** Also the longest time that a `Retry-After` is obeyed without looking again. */
const LONGEST = 60_000

/**
 * Opens after failures in a row. After its time one task runs as a probe: its success closes the circuit, its
 * failure opens it for twice as long. A `Retry-After` sets the time itself, up to a minute.
 */
export function circuit({ now, changed = () => {}, weights }: CircuitOptions): Circuit {
  let weight = 0
  let openings = 0
  let openUntil = -Infinity
  let reason: RegistryError | undefined
  let isProbing = false

  const refusal = (): RegistryError | undefined =>
    reason !== undefined && (isProbing || now() < openUntil) ? notAgain(reason) : undefined

  return {
    get refusal() {
      return refusal()
    },
    async run(task) {
      const refused = refusal()
      if (refused !== undefined) throw refused
      const opened = openings
      const isProbe = reason !== undefined
      isProbing = isProbe
      try {
        const value = await task()
        close()
        return value
      } catch (error) {
        // A request from before the opening says nothing new.
        if (isRegistryError(error) && opened === openings) judge(error, isProbe)
        throw error
      } finally {
        if (isProbe) isProbing = false
      }
    },
  }

  function judge(error: RegistryError, isProbe: boolean): void {
    const cost = isNotAgain(error) ? 0 : weights[error.code]
    if (cost === undefined) return close()
    weight += cost
    if (cost === 0 || (weight < THRESHOLD && !isProbe)) return
    openUntil = now() + duration(error)
    openings += 1
    const wasClosed = reason === undefined
    reason = error
    if (wasClosed) changed(error)
  }

  function duration({ detail: { retryAfter } }: RegistryError): number {
    const asked = typeof retryAfter === 'number' ? retryAfter * 1000 : SHORTEST * 2 ** openings
    return Math.min(LONGEST, Math.max(1_000, asked))
  }

  function close(): void {
    weight = 0
    if (reason === undefined) return
    reason = undefined
    openings = 0
    changed(undefined)
  }
}

const NOT_AGAIN = 'not again yet'

/** The error for a request that was not sent because of an earlier one. */
export function notAgain({ code, detail }: RegistryError): RegistryError {
  return new RegistryError(code, { ...detail, asked: NOT_AGAIN })
}

export function isNotAgain({ detail }: RegistryError): boolean {
  return detail['asked'] === NOT_AGAIN
}
