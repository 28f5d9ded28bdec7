import type { BlobReader, LentBytes } from '../../ports/blob-store.ts'
import type { Piece, Pieces } from './pieces.ts'

/** One reader's hold on a piece. */
export class HeldPiece {
  /** @throws the error of the read */
  readonly bytes: Buffer | Promise<Buffer>
  readonly #pieces: Pieces
  #piece: Piece | undefined
  #lent: LentBytes | undefined
  #isReleased = false

  constructor(pieces: Pieces, reader: BlobReader, position: number, end: number) {
    this.#pieces = pieces
    this.#piece = pieces.share(reader, position)
    if (this.#piece !== undefined) this.bytes = this.#join(this.#piece, reader, position, end)
    else if (pieces.mayBorrowFrom(reader)) this.bytes = this.#borrow(reader, position, end)
    else this.bytes = this.#read(reader, position, end)
  }

  /** `isInUse`: an unfinished read or write may still use the bytes, but no write to a socket that is open. */
  release(isInUse: boolean): void {
    this.#isReleased = true
    if (this.#piece !== undefined) this.#pieces.release(this.#piece, isInUse)
    this.#piece = undefined
    if (this.#lent !== undefined) this.#pieces.giveBack(this.#lent)
    this.#lent = undefined
  }

  #borrow(reader: BlobReader, position: number, end: number): Promise<Buffer> {
    const borrowed = this.#borrowOrRead(reader, position, end)
    // A piece that was held ahead is never awaited once its client has left.
    borrowed.catch(() => {})
    return borrowed
  }

  async #borrowOrRead(reader: BlobReader, position: number, end: number): Promise<Buffer> {
    const lent = await this.#pieces.borrow(reader, position)
    if (lent === undefined) {
      if (this.#isReleased) throw new Error('released before it was read')
      return this.#read(reader, position, end)
    }
    if (this.#isReleased) this.#pieces.giveBack(lent)
    else this.#lent = lent
    return lent.bytes.subarray(0, end - position)
  }

  #read(reader: BlobReader, position: number, end: number): Promise<Buffer> {
    this.#piece = this.#pieces.read(reader, position, end)
    return this.#piece.reading
  }

  #join(piece: Piece, reader: BlobReader, position: number, end: number): Buffer | Promise<Buffer> {
    const most = Math.min(end - position, this.#pieces.fairShare)
    const took = (bytes: Buffer): Buffer => {
      const wanted = bytes.length > most ? bytes.subarray(0, most) : bytes
      reader.sharing?.took(position, wanted.length)
      return wanted
    }
    if (piece.bytes !== undefined) return took(piece.bytes)
    const joined = piece.reading.then(
      (bytes) => {
        if (!piece.isForeign || this.#piece === undefined) return took(bytes)
        this.release(false)
        return this.#read(reader, position, end)
      },
      (error: unknown) => {
        // The reader that read it has left, or its file cannot be read. Another file may be.
        if (this.#piece === undefined) throw error
        this.release(true)
        return this.#read(reader, position, end)
      },
    )
    // A piece that was held ahead is never awaited once its client has left.
    joined.catch(() => {})
    return joined
  }
}
