import { RegistryError } from '../../oci/errors.ts'
import { limiter } from '../../util/async/limiter.ts'

/** Bodies of an upstream that are read at the same time. */
const AT_ONCE = 2
/** Milliseconds that one waits for its turn at most, */
const LONGEST_WAIT = 3_000
/** and the share of the time in which upstream has to answer: who has waited is not to be late for it. */
const SHARE = 0.2

/**
 * The turns in which an upstream's long manifests and lists of referrers are read. Each is in memory whole from
 * then on, and a client may ask for a hundred at once (SEC-71). Those who ask take turns.
 */
export class LongBodies {
  readonly #upstream: string
  readonly #inTurn = limiter(AT_ONCE)
  readonly #longestWait: number

  /** @param deadline milliseconds that an answer may take as a whole */
  constructor(upstream: string, deadline: number) {
    this.#upstream = upstream
    this.#longestWait = Math.min(LONGEST_WAIT, deadline * SHARE)
  }

  /**
   * Waits for a turn of `owner`. @returns a function that ends it
   * @throws RegistryError TOOMANYREQUESTS when none has come in time
   */
  async enter(owner: string): Promise<() => void> {
    const over = Promise.withResolvers<void>()
    const entered = Promise.withResolvers<void>()
    void this.#inTurn(() => {
      entered.resolve()
      return over.promise
    }, owner)
    const timer = setTimeout(() => {
      entered.reject(this.#tooMany())
      over.resolve()
    }, this.#longestWait)
    await entered.promise.finally(() => clearTimeout(timer))
    return over.resolve
  }

  #tooMany(): RegistryError {
    const detail = { upstream: this.#upstream, reason: 'too many long manifests at once' }
    return new RegistryError('TOOMANYREQUESTS', detail)
  }
}
