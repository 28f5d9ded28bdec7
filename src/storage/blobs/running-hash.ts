import { algorithmOf, type Digest, digestFrom, hasherFor, parseDigest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { IntervalSet } from '../../util/interval-set.ts'
import type { HashThread, ThreadHash } from './hash-thread.ts'

/** Reads stored bytes, at least one, into `buffer`. */
type ReadBack = (buffer: Buffer, position: number) => Promise<number>

const PIECE = 1024 * 1024
/** Added chunks that the other thread may have before it. It waits for a core where receiving does not. */
const BEHIND = 2

/**
 * Hashes bytes that arrive in any order. Bytes that continue the hashed part are hashed at once. Bytes that
 * arrived early, or that another process wrote, are read back when the bytes before them have arrived. Long
 * content is hashed by `thread`, where it can be, a little later.
 */
export class RunningHash implements Disposable {
  readonly #digest: Digest
  readonly #filled: IntervalSet
  readonly #readBack: ReadBack
  readonly #thread: HashThread | undefined
  #hash
  /** Instead of `#hash`. */
  #beside: ThreadHash | undefined
  /** The other thread is not asked again. */
  #isAlone = false
  #position = 0

  constructor(digest: Digest, filled: IntervalSet, readBack: ReadBack, thread?: HashThread) {
    this.#digest = digest
    this.#thread = thread
    this.#filled = filled
    this.#readBack = readBack
    this.#hash = hasherFor(digest)
  }

  /**
   * Takes every chunk that is written, or about to be. `size` of the whole content, if known. The chunk may
   * change once it is `settled`, but for a shared piece: that may when its uses have ended.
   */
  add(chunk: Uint8Array, position: number, size = 0): void {
    if (position > this.#position) return
    const fresh = chunk.subarray(this.#position - position)
    if (this.#position === 0) this.#beside ??= this.#begin(size)
    if (this.#beside === undefined) this.#hash.update(fresh)
    else this.#beside.add(fresh)
    this.#position += fresh.length
  }

  /** Resolves when all added chunks are hashed but a few, which are copies or shared pieces. */
  async settled(): Promise<void> {
    await this.#beside?.until(BEHIND).catch(() => this.restart())
  }

  /** Starts again on this thread: some of the added bytes were not written, or the other thread has failed. */
  restart(): void {
    this[Symbol.dispose]()
    this.#isAlone = true
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
      await this.settled()
    }
  }

  /**
   * May be called once. @throws RegistryError UPSTREAM_INVALID when the size or the digest of the bytes is
   * wrong
   */
  async finish(size: number): Promise<void> {
    await this.catchUp(Infinity)
    const actual = await this.#actual()
    if (this.#position === size && actual === this.#digest) return
    throw new RegistryError('UPSTREAM_INVALID', {
      digest: this.#digest,
      size,
      actual,
      actualSize: this.#position,
    })
  }

  /** Ends the work of the other thread. */
  [Symbol.dispose](): void {
    this.#beside?.[Symbol.dispose]()
    this.#beside = undefined
  }

  #begin(size: number): ThreadHash | undefined {
    return this.#isAlone ? undefined : this.#thread?.begin(algorithmOf(this.#digest), size)
  }

  async #actual(): Promise<Digest> {
    const hex = await this.#beside?.hex().catch(() => this.restart())
    this[Symbol.dispose]()
    if (typeof hex === 'string') return parseDigest(`${algorithmOf(this.#digest)}:${hex}`)
    await this.catchUp(Infinity)
    return digestFrom(this.#hash, this.#digest)
  }
}
