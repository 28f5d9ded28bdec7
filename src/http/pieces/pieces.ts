import { RegistryError } from '../../oci/errors.ts'
import type { BlobReader, LentBytes } from '../../ports/blob-store.ts'
import type { BufferPool } from './buffer-pool.ts'
import { HeldPiece } from './held-piece.ts'

/** Bytes. A shorter piece, unless it is a blob's last one, is read again rather than found. */
const SHORTEST_SHARED = 16 * 1024
/** Bytes of pieces that nobody holds, kept for readers that come to their place a little later. */
const WINDOW = 12 * 1024 * 1024
/** Milliseconds that they are kept at most. */
const WINDOW_TIME = 2000

/**
 * Lent bytes that are held at once. A client that takes nothing keeps the two that it has, and downloads want
 * their memory back.
 */
const MOST_LENT = 4

/** Bytes of a blob in a buffer of the pool. */
export interface Piece {
  readonly buffer: Buffer
  /** Where readers of the same blob look for it; undefined = it is its reader's own. */
  readonly place: string | undefined
  holders: number
  /** Whether an unfinished read or write may still use the buffer, so that it must not be filled again. */
  isInUse: boolean
  /** Its reader has gone over to another source meanwhile: its bytes are those of no other reader. */
  isForeign: boolean
  /** Its bytes, once they were read. */
  bytes: Buffer | undefined
  /** Settles when they were. */
  reading: Promise<Buffer>
}

/**
 * Pieces of blobs on their way to clients. Readers at the same place of the same blob share one piece, so its
 * bytes are read once for all of them. A piece ends at a multiple of its size, so that readers that began at
 * different places meet.
 */
export class Pieces {
  readonly #pool: BufferPool
  readonly #borrows: boolean
  /** Pieces that are held, and those that were until lately. */
  readonly #byPlace = new Map<string, Piece>()
  /** Pieces that nobody holds, the oldest first. */
  readonly #window = new Set<Piece>()
  #windowBytes = 0
  /** Pieces that were borrowed. */
  #lent = 0
  #isClearing = false

  /** `borrows`: whether a piece may be as large as what a reader lends. */
  constructor(pool: BufferPool, { borrows = true } = {}) {
    this.#pool = pool
    this.#borrows = borrows
  }

  /** Whether a reader should hold one piece at a time; see `BufferPool`. */
  get isCrowded(): boolean {
    return this.#pool.isCrowded
  }

  /** The bytes of a shared piece that a reader takes at a time. */
  get fairShare(): number {
    return this.#pool.fairShare
  }

  /** Whether a reader should have its bytes where they are. Many readers take turns with small pieces. */
  mayBorrowFrom({ lend, sharing }: BlobReader): boolean {
    return this.#borrows && lend !== undefined && sharing === undefined && !this.isCrowded
  }

  /** Borrows bytes, to be given back with `giveBack`. @returns undefined when they must be read */
  async borrow(reader: BlobReader, position: number): Promise<LentBytes | undefined> {
    const lent = await reader.lend?.(position)
    if (lent === undefined) return undefined
    if (this.#lent >= MOST_LENT) {
      lent.giveBack()
      return undefined
    }
    this.#lent += 1
    return lent
  }

  giveBack(lent: LentBytes): void {
    this.#lent -= 1
    lent.giveBack()
  }

  /** Holds the piece from `position` on, which ends at `end` or before it. Reads it unless somebody has. */
  hold(reader: BlobReader, position: number, end: number): HeldPiece {
    return new HeldPiece(this, reader, position, end)
  }

  /** One more hold on a piece that others have read, or are reading. */
  share({ sharing }: BlobReader, position: number): Piece | undefined {
    const piece = sharing && this.#byPlace.get(placeOf(sharing.key, position))
    if (piece === undefined) return undefined
    if (piece.holders === 0) {
      this.#takeFromWindow(piece)
      this.#pool.lendAgain(piece.buffer)
    } else {
      this.#pool.join()
    }
    piece.holders += 1
    return piece
  }

  /** Reads a piece, for one hold and those who will share it. */
  read(reader: BlobReader, position: number, end: number): Piece {
    const { sharing } = reader
    const buffer = this.#pool.take(end - position)
    const toBorder = sharing === undefined ? buffer.length : buffer.length - (position % buffer.length)
    const length = Math.min(toBorder, end - position)
    const reading = reader.read(length === buffer.length ? buffer : buffer.subarray(0, length), position)
    const isWorthIt = length >= SHORTEST_SHARED || position + length === reader.descriptor.size
    const place = sharing !== undefined && isWorthIt ? placeOf(sharing.key, position) : undefined
    const piece: Piece = {
      buffer,
      place,
      holders: 1,
      isInUse: false,
      isForeign: false,
      bytes: undefined,
      reading: NOT_YET,
    }
    if (place !== undefined) this.#byPlace.set(place, piece)
    piece.reading = this.#filled(piece, reader, position, reading, sharing?.key)
    piece.reading.catch(() => {})
    return piece
  }

  async #filled(
    piece: Piece,
    reader: BlobReader,
    position: number,
    reading: Promise<number>,
    key: string | undefined,
  ): Promise<Buffer> {
    const { descriptor } = reader
    try {
      const count = await reading
      if (piece.place !== undefined && reader.sharing?.key !== key) {
        piece.isForeign = true
        this.#forgetPlace(piece)
      }
      if (count === 0) throw new RegistryError('STORAGE', { digest: descriptor.digest, endsAt: position })
      const { buffer } = piece
      return (piece.bytes = count === buffer.length ? buffer : buffer.subarray(0, count))
    } catch (error) {
      this.#forgetPlace(piece)
      throw error
    }
  }

  /** Ends a hold. `isInUse`: an unfinished read or write may still use the bytes. */
  release(piece: Piece, isInUse: boolean): void {
    piece.isInUse ||= isInUse
    piece.holders -= 1
    if (piece.holders > 0) return this.#pool.leave()
    this.#pool.forget(piece.buffer)
    if (piece.isInUse) this.#forgetPlace(piece)
    else if (this.#isShared(piece)) this.#addToWindow(piece)
    else this.#pool.keep(piece.buffer)
  }

  #isShared(piece: Piece): boolean {
    return piece.place !== undefined && this.#byPlace.get(piece.place) === piece
  }

  #forgetPlace(piece: Piece): void {
    if (this.#isShared(piece)) this.#byPlace.delete(piece.place!)
  }

  #addToWindow(piece: Piece): void {
    this.#window.add(piece)
    this.#windowBytes += piece.buffer.length
    for (const oldest of this.#window) {
      if (this.#windowBytes <= WINDOW) break
      this.#drop(oldest)
    }
    if (this.#isClearing) return
    this.#isClearing = true
    setTimeout(() => this.#clear(), WINDOW_TIME).unref()
  }

  #clear(): void {
    this.#isClearing = false
    for (const piece of this.#window) this.#drop(piece)
    this.#pool.trim()
  }

  #drop(piece: Piece): void {
    this.#takeFromWindow(piece)
    this.#byPlace.delete(piece.place!)
    this.#pool.keep(piece.buffer)
  }

  #takeFromWindow(piece: Piece): void {
    this.#window.delete(piece)
    this.#windowBytes -= piece.buffer.length
  }
}

const NOT_YET = Promise.resolve(Buffer.alloc(0))

function placeOf(key: string, position: number): string {
  return `${key} ${position}`
}
