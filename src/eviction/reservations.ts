import type { Reserved } from './eviction-policy.ts'

/**
 * Room reserved for content on its way in. Disposing the reservation returns its room: bytes that were
 * committed count as usage of the store from then on.
 */
export interface Reservation extends Disposable {
  readonly size: number
  /** Bytes of it that are on the disk. */
  written: number
  /** Asks for a larger size. @returns false when there is no room */
  grow(size: number): Promise<boolean>
}

/** The reservations of a store. It keeps count of them, and does not judge whether there is room. */
export class Reservations {
  readonly #all = new Set<Reservation>()
  #released = Promise.withResolvers<void>()

  /**
   * Resolves when the next reservation is disposed: its room is free, or is taken by content that can be
   * evicted.
   */
  get released(): Promise<void> {
    return this.#released.promise
  }

  /** `mayGrow`: whether there is room for so many bytes more; it calls `take` when there is. */
  add(
    size: number,
    mayGrow: (bytes: number, held: number, take: () => void) => Promise<boolean>,
  ): Reservation {
    let held = size
    const reservation: Reservation = {
      get size() {
        return held
      },
      written: 0,
      grow: (size) => mayGrow(size - held, held, () => (held = size)),
      [Symbol.dispose]: () => {
        this.#all.delete(reservation)
        this.#released.resolve()
        this.#released = Promise.withResolvers()
      },
    }
    this.#all.add(reservation)
    return reservation
  }

  get total(): Reserved {
    let bytes = 0
    let unwritten = 0
    for (const { size, written } of this.#all) {
      bytes += size
      unwritten += Math.max(0, size - written)
    }
    return { bytes, unwritten }
  }
}
