import type { LentBytes } from '../../ports/blob-store.ts'
import { usesOf } from '../../util/shared-piece.ts'

interface Piece {
  readonly bytes: Buffer
  readonly position: number
  /** Of shared memory; see `usesOf`. */
  readonly uses: Int32Array<SharedArrayBuffer> | undefined
}

/** Pieces of shared memory that are held for a connection: one that a socket takes, and the one after it. */
const SHARED = 2

/**
 * The bytes that each connection wrote last. A reader that follows closely has them from memory, which costs a
 * fraction of reading them back from the store.
 */
export class RecentBytes {
  readonly #pieces = new Map<object, Piece[]>()

  /**
   * Replaces what was held for `connection`. Shared memory is in use until it is replaced or released. Other
   * bytes the caller leaves unchanged until then.
   */
  hold(connection: object, bytes: Buffer, position: number): void {
    const uses = usesOf(bytes)
    const held = this.#pieces.get(connection) ?? []
    const most = uses === undefined ? 0 : SHARED - 1
    for (const piece of held.splice(0, Math.max(0, held.length - most))) free(piece)
    if (uses !== undefined) Atomics.add(uses, 0, 1)
    held.push({ bytes, position, uses })
    this.#pieces.set(connection, held)
  }

  release(connection: object): void {
    this.#pieces.get(connection)?.forEach(free)
    this.#pieces.delete(connection)
  }

  /** Releases what is held for all connections. */
  clear(): void {
    for (const connection of this.#pieces.keys()) this.release(connection)
  }

  /** Copies bytes from `position` on. @returns how many; 0 when they are not held */
  read(buffer: Buffer, position: number): number {
    const piece = this.#pieceAt(position)
    return piece === undefined ? 0 : piece.bytes.copy(buffer, 0, position - piece.position)
  }

  /** Lends bytes from `position` to `end` at most. @returns undefined when none are held in shared memory */
  lend(position: number, end: number): LentBytes | undefined {
    const piece = this.#pieceAt(position)
    if (piece?.uses === undefined) return undefined
    const { uses } = piece
    Atomics.add(uses, 0, 1)
    return {
      bytes: piece.bytes.subarray(position - piece.position, end - piece.position),
      giveBack: () => void Atomics.sub(uses, 0, 1),
    }
  }

  #pieceAt(position: number): Piece | undefined {
    for (const held of this.#pieces.values()) {
      for (const piece of held) {
        const from = position - piece.position
        if (from >= 0 && from < piece.bytes.length) return piece
      }
    }
    return undefined
  }
}

function free({ uses }: Piece): void {
  if (uses !== undefined) Atomics.sub(uses, 0, 1)
}
