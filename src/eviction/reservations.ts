import type { Reserved } from './eviction-policy.ts'

/**
 * Room taken for content on its way in. Disposing the reservation returns its room: bytes that were committed
 * count as usage of the store from then on.
 */
export interface Reservation extends Disposable {
  /** Bytes taken so far. */
  readonly size: number
  /** Bytes of it that are on the disk. */
  written: number
  /** Takes the room of bytes that an earlier attempt has left on the disk: they need no other. */
  hold(bytes: number): void
  /**
   * Takes room up to `end`, and evicts for it. Where room is free anyway it is taken up to `ahead`.
   *
   * @returns false when there is no room
   */
  grow(end: number, ahead?: number): Promise<boolean>
  /** The limit that has refused room, where it is that of a share. */
  readonly refusedBy?: 'share' | undefined
}

/** Room in the share of an upstream and in the store. */
export function bothOf(share: Reservation, store: Reservation): Reservation {
  let refusedBy: 'share' | undefined
  return {
    get size() {
      return Math.min(share.size, store.size)
    },
    get written() {
      return store.written
    },
    set written(bytes) {
      share.written = store.written = bytes
    },
    get refusedBy() {
      return refusedBy
    },
    hold(bytes) {
      share.hold(bytes)
      store.hold(bytes)
    },
    async grow(end, ahead) {
      refusedBy = (await growTo(share, end, ahead)) ? undefined : 'share'
      return refusedBy === undefined && growTo(store, end, ahead)
    },
    [Symbol.dispose]() {
      share[Symbol.dispose]()
      store[Symbol.dispose]()
    },
  }
}

async function growTo(reservation: Reservation, end: number, ahead?: number): Promise<boolean> {
  return reservation.size >= end || reservation.grow(end, ahead)
}

/** The reservations of a store. It keeps count of them, and does not judge whether there is room. */
export class Reservations {
  /** In the order of their beginning. */
  readonly #all = new Set<Reservation>()
  /** Those that hold room and wait for more. */
  readonly #waiting = new Map<Reservation, () => void>()
  #released = Promise.withResolvers<void>()
  #releases = 0

  /**
   * Resolves when the next reservation is disposed: its room is free, or is taken by content that can be
   * evicted.
   */
  get released(): Promise<void> {
    return this.#released.promise
  }

  /** How many reservations were disposed so far. */
  get releases(): number {
    return this.#releases
  }

  /** `grow` takes more room for the reservation, by calling `take` with its new size. */
  add(
    grow: (own: Reservation, end: number, ahead: number, take: (size: number) => void) => Promise<boolean>,
  ): Reservation {
    let held = 0
    const reservation: Reservation = {
      get size() {
        return held
      },
      written: 0,
      hold(bytes) {
        held = reservation.written = bytes
      },
      grow: (end, ahead = end) => grow(reservation, end, ahead, (size) => (held = size)),
      [Symbol.dispose]: () => {
        this.#all.delete(reservation)
        this.#releases += 1
        this.#released.resolve()
        this.#released = Promise.withResolvers()
      },
    }
    this.#all.add(reservation)
    return reservation
  }

  /**
   * Registers a reservation that waits for the room of others, until the result is disposed. Two that hold
   * room and wait for each other would wait for ever: the youngest gives way.
   */
  wait(reservation: Reservation): Disposable & { readonly gaveWay: Promise<void> } {
    const { promise: gaveWay, resolve } = Promise.withResolvers<void>()
    if (reservation.size > 0) this.#waiting.set(reservation, resolve)
    if (this.#waiting.size > 1) {
      const youngest = [...this.#all].findLast((each) => this.#waiting.has(each))
      if (youngest !== undefined) this.#waiting.get(youngest)!()
    }
    return { gaveWay, [Symbol.dispose]: () => this.#waiting.delete(reservation) }
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
