import { type Digest, digestFrom, hasherFor } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { IntervalSet } from '../../util/interval-set.ts'

/** Reads stored bytes, at least one, into `buffer`. */
type ReadBack = (buffer: Buffer, position: number) => Promise<number>

const PIECE = 1024 * 1024

/**
 * Hashes bytes that arrive in any order. Bytes that continue the hashed part are hashed at once. Bytes that
 * arrived early, or that another process wrote, are read back when the bytes before them have arrived.
 */
export class RunningHash {
  readonly #digest: Digest
  readonly #filled: IntervalSet
  readonly #readBack: ReadBack
  #hash
  #position = 0

  constructor(digest: Digest, filled: IntervalSet, readBack: ReadBack) {
    this.#digest = digest
    this.#filled = filled
    this.#readBack = readBack
    this.#hash = hasherFor(digest)
  }

  /** Takes every chunk that is written, or about to be. */
  add(chunk: Uint8Array, position: number): void {
    if (position > this.#position) return
    const fresh = chunk.subarray(this.#position - position)
    this.#hash.update(fresh)
    this.#position += fresh.length
  }

  /** Starts again, because some of the added bytes were not written. */
  restart(): void {
    this.#hash = hasherFor(this.#digest)
    this.#position = 0
  }

  /** Hashes up to about `most` bytes that follow the hashed part, so that little is left for the end. */
  async catchUp(most: number): Promise<void> {
    const end = Math.min(this.#filled.filledFrom(this.#position), this.#position + most)
    if (end <= this.#position) return
    const buffer = Buffer.allocUnsafe(Math.min(PIECE, end - this.#position))
    while (this.#position < end) {
      const wanted = buffer.subarray(0, Math.min(buffer.length, end - this.#position))
      const from = this.#position
      const count = await this.#readBack(wanted, from)
      if (count === 0)
        throw new RegistryError('STORAGE', { operation: 'read', reason: 'shorter than written' })
      // A chunk may have been added during the read. Hashing the same bytes twice would spoil the hash.
      if (this.#position === from) this.add(wanted.subarray(0, count), from)
    }
  }

  /**
   * May be called once. @throws RegistryError UPSTREAM_INVALID when the size or the digest of the bytes is
   * wrong
   */
  async finish(size: number): Promise<void> {
    await this.catchUp(Infinity)
    const actual = digestFrom(this.#hash, this.#digest)
    if (this.#position === size && actual === this.#digest) return
    throw new RegistryError('UPSTREAM_INVALID', {
      digest: this.#digest,
      size,
      actual,
      actualSize: this.#position,
    })
  }
}
