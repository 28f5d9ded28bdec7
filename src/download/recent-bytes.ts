interface Piece {
  readonly bytes: Buffer
  readonly position: number
}

/**
 * The bytes that each connection wrote last. A reader that follows closely copies them from memory, which costs a fraction of
 * reading them back from the store.
 */
export class RecentBytes {
  readonly #pieces = new Map<object, Piece>()

  /** Replaces what was held for `connection`. The caller leaves `bytes` unchanged until it replaces or releases them. */
  hold(connection: object, bytes: Buffer, position: number): void {
    this.#pieces.set(connection, { bytes, position })
  }

  release(connection: object): void {
    this.#pieces.delete(connection)
  }

  /** Copies bytes from `position` on. @returns how many; 0 when they are not held */
  read(buffer: Buffer, position: number): number {
    for (const piece of this.#pieces.values()) {
      const from = position - piece.position
      if (from >= 0 && from < piece.bytes.length) return piece.bytes.copy(buffer, 0, from)
    }
    return 0
  }
}
