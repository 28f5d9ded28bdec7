interface Piece {
  readonly bytes: Buffer
  readonly position: number
}

/** What each connection of a transfer wrote last, for those who read closely behind: copying it costs a fraction of reading it back. */
export class RecentBytes {
  readonly #pieces = new Map<object, Piece>()

  /** In place of what `connection` held before. `bytes` have to stay as they are till then. */
  hold(connection: object, bytes: Buffer, position: number): void {
    this.#pieces.set(connection, { bytes, position })
  }

  release(connection: object): void {
    this.#pieces.delete(connection)
  }

  /** Copies what is held from `position` on. @returns how many bytes; 0 = it has to be read back */
  read(buffer: Buffer, position: number): number {
    for (const piece of this.#pieces.values()) {
      const from = position - piece.position
      if (from >= 0 && from < piece.bytes.length) return piece.bytes.copy(buffer, 0, from)
    }
    return 0
  }
}
