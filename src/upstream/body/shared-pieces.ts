import { sharedPiece, usesOf } from '../../util/shared-piece.ts'

/** Bytes. One hand-over to another thread and one write serve four times what an ordinary piece holds. */
export const SHARED_PIECE = 2 * 1024 * 1024
/**
 * What two bodies use, or one whose hash is behind while clients have four of its pieces and two more are held
 * for its reader. V8 does not count shared memory, so it is never left to the garbage collector.
 */
export const MOST_SHARED = 8
/** Milliseconds after which pieces that nobody took are dropped. */
const IDLE = 60_000

/** Pieces of memory for long bodies that other threads may read, for as many bodies as that pays. */
export class SharedPieces {
  #free: Buffer[] = []
  #made = 0
  #idle: NodeJS.Timeout | undefined

  /** @returns undefined when others have them all */
  take(): Buffer | undefined {
    const at = this.#free.findIndex(isUnused)
    if (at >= 0) return this.#free.splice(at, 1)[0]
    if (this.#made >= MOST_SHARED) return undefined
    this.#made += 1
    return sharedPiece(SHARED_PIECE)
  }

  /** Takes a piece back. Other threads may still use it. */
  give(piece: Buffer): void {
    this.#free.push(piece)
    this.#dropWhenIdle()
  }

  #dropWhenIdle(): void {
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.#dropUnused(), IDLE).unref()
  }

  #dropUnused(): void {
    const used = this.#free.filter((piece) => !isUnused(piece))
    this.#made -= this.#free.length - used.length
    this.#free = used
    if (used.length > 0) this.#dropWhenIdle()
  }
}

function isUnused(piece: Buffer): boolean {
  return Atomics.load(usesOf(piece)!, 0) === 0
}
