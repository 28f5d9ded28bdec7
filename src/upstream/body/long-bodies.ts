import { RegistryError } from '../../oci/errors.ts'
import { limiter } from '../../util/async/limiter.ts'

/** Bodies of an upstream that are read at the same time. */
const AT_ONCE = 2
/** Milliseconds that one waits for its turn at most. It is a part of what the answer may take as a whole. */
const LONGEST_WAIT = 3_000

/**
 * The turns of an upstream's long manifests and lists of referrers. Each is in memory whole while it is read,
 * checked and stored, and a client may ask for a hundred at once (SEC-71). Repositories take turns.
 */
export class LongBodies {
  readonly #upstream: string
  readonly #inTurn = limiter(AT_ONCE)

  constructor(upstream: string) {
    this.#upstream = upstream
  }

  /**
   * Waits for a turn. @returns a function that ends it
   * @throws RegistryError TOOMANYREQUESTS when none has come within three seconds
   */
  async enter(repository: string): Promise<() => void> {
    const over = Promise.withResolvers<void>()
    const entered = Promise.withResolvers<void>()
    void this.#inTurn(() => {
      entered.resolve()
      return over.promise
    }, repository)
    const timer = setTimeout(() => {
      entered.reject(this.#tooMany())
      over.resolve()
    }, LONGEST_WAIT)
    await entered.promise.finally(() => clearTimeout(timer))
    return over.resolve
  }

  #tooMany(): RegistryError {
    const detail = { upstream: this.#upstream, reason: 'too many long manifests at once' }
    return new RegistryError('TOOMANYREQUESTS', detail)
  }
}
