import { type ErrorCode, isRegistryError, RegistryError } from '../../oci/errors.ts'

/**
 * Keeps questions from an upstream that is out of order or limits us: whoever asks meanwhile hears so at
 * once.
 */
export interface Circuit {
  /** Runs `task`, or throws what opened the circuit while it is open. */
  run<T>(task: () => Promise<T>): Promise<T>
  /** What `run` would throw now without asking; undefined when it would ask, be it as a probe. */
  readonly refusal: RegistryError | undefined
}

export interface CircuitOptions {
  /** Milliseconds that never go back. */
  readonly now: () => number
  /** Told when it opens (false) and closes (true). */
  readonly changed: (closed: boolean) => void
}

/** How many failures in a row open it. A timeout keeps clients waiting for seconds, so one is enough. */
const WEIGHTS: Partial<Record<ErrorCode, number>> = {
  UPSTREAM_UNAVAILABLE: 1,
  UPSTREAM_TIMEOUT: 5,
  UPSTREAM_LIMITED: 5,
}
const THRESHOLD = 5
const SHORTEST = 2_000
/** Also the longest that a `Retry-After` is obeyed without looking again. */
const LONGEST = 60_000

/**
 * Opens after failures in a row; when its time is over one task is let through as a probe, and its outcome
 * closes it or opens it for twice as long. A `Retry-After` sets the time itself, up to a minute. Denials and
 * contradictions are answers: upstream works.
 */
export function circuit({ now, changed }: CircuitOptions): Circuit {
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
        // What was asked before it opened says nothing new.
        if (isRegistryError(error) && opened === openings) judge(error, isProbe)
        throw error
      } finally {
        if (isProbe) isProbing = false
      }
    },
  }

  function judge(error: RegistryError, isProbe: boolean): void {
    const cost = WEIGHTS[error.code]
    if (cost === undefined) return close()
    weight += cost
    if (weight < THRESHOLD && !isProbe) return
    openUntil = now() + duration(error)
    openings += 1
    if (reason === undefined) changed(false)
    reason = error
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
    changed(true)
  }
}

function notAgain({ code, detail }: RegistryError): RegistryError {
  return new RegistryError(code, { ...detail, asked: 'not again yet' })
}
