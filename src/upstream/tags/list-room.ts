import { RegistryError } from '../../oci/errors.ts'

/** Bytes of a list that always have room. What is longer takes part in the bound. */
const ALWAYS = 128 * 1024
/** Bytes of long lists together: two of the longest. */
const ROOM = 32 * 1024 * 1024

/**
 * The memory for tag lists that are being read or wait to be sorted. Without a bound, one client that asks
 * for the long lists of many repositories at once would fill the memory (SEC-71).
 */
export class ListRoom {
  readonly #upstream: string
  #taken = 0

  constructor(upstream: string) {
    this.#upstream = upstream
  }

  /** The share of one list. Disposing it gives its bytes back. */
  share(): ListShare {
    let length = 0
    let taken = 0
    return {
      take: (bytes) => {
        length += bytes
        const more = Math.max(0, length - ALWAYS) - taken
        if (this.#taken + more > ROOM) {
          const detail = { upstream: this.#upstream, reason: 'too many long tag lists at once' }
          throw new RegistryError('TOOMANYREQUESTS', detail)
        }
        taken += more
        this.#taken += more
      },
      [Symbol.dispose]: () => {
        this.#taken -= taken
        taken = 0
      },
    }
  }
}

export interface ListShare extends Disposable {
  /** Takes room for `bytes` more. @throws RegistryError TOOMANYREQUESTS when there is none */
  take(bytes: number): void
}
