import { usesOf } from '../../util/shared-piece.ts'
import { MOST_SHARED, type SharedPieces } from './shared-pieces.ts'

const KiB = 1024
/** Bytes of the first piece. It is enough for as long as chunks are taken as fast as they come. */
const SMALLEST = 64 * KiB
/** Bytes of a piece. A write to disk, a hash and a send cost no less a byte from about this size on. */
const LARGEST = 512 * KiB
/** Bytes of a body that is worth shared pieces: shorter content is hashed where it is received. */
const LONG = 96 * 1024 * KiB
/** A piece that was filled by so few reads was too small. */
const FEW_READS = 4
/** Bytes of the last pieces of a body: what comes last is hashed when nothing else is left to do. */
const LAST = 512 * KiB
/** One is received, one is being written, and one holds what was written last for close readers. */
const PIECES = 3
/** Chunks that their taker still uses. */
const IN_USE = 2

interface Piece {
  readonly bytes: Buffer
  /** By other threads; see `usesOf`. */
  readonly uses: Int32Array<SharedArrayBuffer> | undefined
  /** Bytes that it takes. */
  readonly room: number
  /** Bytes received. */
  filled: number
  /** Bytes of them that were taken. */
  taken: number
  reads: number
}

/**
 * What a body has received and nobody has taken, in at most three pieces that are filled again and again, and
 * those that other threads still use. The last two chunks that were taken stay as they are. A piece grows with
 * what one read brings, so that a slow body holds little memory.
 */
export class ReceiveBuffer {
  /** Bytes that are still to come. */
  #left: number
  /** In the order in which they were filled; the last one is filled now. */
  readonly #pieces: Piece[] = []
  /** Those of the last chunks that were taken. */
  readonly #inUse: Piece[] = []
  readonly #shared: SharedPieces | undefined

  /** `shared`: pieces for a long body that comes fast. */
  constructor(length: number, shared?: SharedPieces) {
    this.#left = length
    this.#shared = length >= LONG ? shared : undefined
  }

  /** Bytes that are still to come. */
  get left(): number {
    return this.#left
  }

  /** Bytes of memory that are held. */
  get allocated(): number {
    return this.#pieces.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  /** Where the next bytes belong; undefined when there is no room before more is taken. */
  space(): Buffer | undefined {
    const piece = this.#piece()
    return piece?.bytes.subarray(piece.filled, Math.min(piece.room, piece.filled + this.#left))
  }

  /** So many bytes were put into `space`. */
  filled(count: number): void {
    const piece = this.#pieces.at(-1)!
    piece.filled += count
    piece.reads += 1
    this.#left -= count
  }

  /**
   * Copies bytes, which must not be more than are still to come. They are taken even where there is no room:
   * what TLS has decrypted comes after reading has stopped.
   */
  add(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const { bytes: piece, room, filled } = this.#piece() ?? this.#newPiece(SMALLEST)
      const count = bytes.copy(piece.subarray(0, room), filled, at)
      this.filled(count)
      at += count
    }
  }

  /** The bytes that follow those taken last; undefined when none are there. They are the buffer's own. */
  take(): Buffer | undefined {
    const piece = this.#pieces.find(({ filled, taken }) => taken < filled)
    if (piece === undefined) return undefined
    const chunk = piece.bytes.subarray(piece.taken, piece.filled)
    piece.taken = piece.filled
    this.#inUse.push(piece)
    return chunk
  }

  /** The taker uses only the last two chunks. */
  release(): void {
    while (this.#inUse.length > IN_USE) this.#inUse.shift()
  }

  /** Nothing is received any more, and the taker uses no chunk. */
  end(): void {
    this.#giveBack(this.#pieces.splice(0))
    this.#inUse.length = 0
  }

  /** The piece to fill. */
  #piece(): Piece | undefined {
    const last = this.#pieces.at(-1)
    if (last !== undefined && last.filled < last.room) return last
    const isFree = (piece: Piece): boolean =>
      piece.taken === piece.filled && !this.#inUse.includes(piece) && !isUsed(piece)
    let free = this.#pieces.findIndex(isFree)
    const most = PIECES + this.#pieces.filter(isUsed).length
    // Shared pieces are waited for, but not while nothing else is there to take: its taker would wait for ever.
    if (free < 0 && this.#pieces.length >= MOST_SHARED && this.#pieces.some(isAhead)) return undefined
    for (; free >= 0 && this.#pieces.length > most; free = this.#pieces.findIndex(isFree)) {
      this.#giveBack(this.#pieces.splice(free, 1))
    }
    if (free < 0 && this.#pieces.length >= most) return undefined
    const size = Math.min(nextSize(last), Math.max(SMALLEST, this.#left))
    const [old] = free < 0 ? [] : this.#pieces.splice(free, 1)
    return this.#newPiece(size, old?.bytes)
  }

  #newPiece(size: number, old?: Buffer): Piece {
    const bytes = old !== undefined && old.length >= size ? old : this.#memory(size)
    const room = Math.min(bytes.length, Math.max(LAST, this.#left / 2))
    const piece = { bytes, room: Math.floor(room), uses: usesOf(bytes), filled: 0, taken: 0, reads: 0 }
    this.#pieces.push(piece)
    return piece
  }

  #giveBack(pieces: readonly Piece[]): void {
    for (const { bytes, uses } of pieces) if (uses !== undefined) this.#shared?.give(bytes)
  }

  #memory(size: number): Buffer {
    // Over TLS a read brings 16 KiB, and a piece does not grow to the largest.
    return (size > SMALLEST ? this.#shared?.take() : undefined) ?? Buffer.allocUnsafeSlow(size)
  }
}

/** Whether bytes of it are there to be taken. */
function isAhead({ taken, filled }: Piece): boolean {
  return taken < filled
}

function isUsed({ uses }: Piece): boolean {
  return uses !== undefined && Atomics.load(uses, 0) > 0
}

function nextSize(last: Piece | undefined): number {
  if (last === undefined) return SMALLEST
  const { length } = last.bytes
  return Math.min(LARGEST, last.reads > FEW_READS ? length : 4 * length)
}
