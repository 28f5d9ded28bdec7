// Powers of two. The largest is the size at which a warm read is fastest.
const SIZES = [16, 32, 64, 128, 256, 512].map((kibibytes) => kibibytes * 1024)

/** With this many readers of buffers, each takes one at a time. */
const CROWD = 32

/**
 * Lends buffers for bytes on their way from a store to a socket. One buffer takes at most a 64th of the
 * budget that is left, and no more than its share among those lent. So 64 readers get the largest buffers, a
 * thousand get 64 KiB each, and however many stall, they hold little more than the budget, in whatever order
 * they came.
 *
 * A buffer may be lent to several readers of the same bytes (`pieces.ts`). Its bytes count once, and each of
 * them counts as a reader: the size of a piece also bounds how long its copy into a socket holds the event
 * loop.
 */
export class BufferPool {
  readonly #budget: number
  readonly #free: readonly Buffer[][] = SIZES.map(() => [])
  #freeBytes = 0
  #lentBytes = 0
  #readers = 0

  /** `budget` is in bytes. The pool may keep what it has not lent, for reuse. */
  constructor(budget = 96 * 1024 * 1024) {
    this.#budget = budget
  }

  /** Bytes in lent buffers. */
  get lentBytes(): number {
    return this.#lentBytes
  }

  /**
   * Whether many readers keep the disk and the sockets busy. Reading ahead would then speed up nothing, but
   * halve the pieces of every reader and so double its reads.
   */
  get isCrowded(): boolean {
    return this.#readers >= CROWD
  }

  /** The bytes that one more reader may take from a buffer at a time. */
  get fairShare(): number {
    const share = this.#budget / (this.#readers + 1)
    let rank = 0
    while (rank + 1 < SIZES.length && SIZES[rank + 1]! <= share) rank++
    return SIZES[rank]!
  }

  /** Lends an uninitialised buffer, no larger than `wanted` bytes need, often smaller. */
  take(wanted: number): Buffer {
    const allowed = Math.min((this.#budget - this.#lentBytes) / 64, this.fairShare)
    let rank = 0
    while (rank + 1 < SIZES.length && SIZES[rank]! < wanted && SIZES[rank + 1]! <= allowed) rank++
    while (rank > 0 && this.#free[rank]!.length === 0 && this.#isSpent(SIZES[rank]!)) rank--
    const size = SIZES[rank]!
    this.#lentBytes += size
    this.#readers += 1
    const buffer = this.#free[rank]!.pop()
    if (buffer !== undefined) {
      this.#freeBytes -= size
      return buffer
    }
    this.#dropLargerThan(rank)
    return Buffer.allocUnsafeSlow(size)
  }

  /** Counts a further reader of a lent buffer. */
  join(): void {
    this.#readers += 1
  }

  /** Counts it no more. Others still read the buffer. */
  leave(): void {
    this.#readers -= 1
  }

  /** Lends a buffer that was kept for its bytes, and counts as returned, once more. */
  lendAgain(buffer: Buffer): void {
    this.#lentBytes += buffer.length
    this.#readers += 1
  }

  /** Takes a buffer back. Neither the caller nor the kernel may use it any more. */
  give(buffer: Buffer): void {
    this.forget(buffer)
    this.keep(buffer)
  }

  /** Counts a buffer as returned without lending it again: somebody may still use it. */
  forget(buffer: Buffer): void {
    this.#lentBytes -= buffer.length
    this.#readers -= 1
  }

  /** Keeps a buffer for reuse, which nobody uses and which counts as returned. */
  keep(buffer: Buffer): void {
    const kept = this.#freeBytes + buffer.length
    // The pool always keeps some buffers. Otherwise a thousand readers would allocate one for every piece.
    if (kept > this.#budget / 4 && this.#lentBytes + kept > this.#budget) return
    this.#freeBytes += buffer.length
    this.#free[SIZES.indexOf(buffer.length)]!.push(buffer)
  }

  /** Drops the buffers that a busy time has left behind. Does nothing while that time lasts. */
  trim(): void {
    if (this.#lentBytes > this.#budget / 8) return
    for (const free of this.#free) free.length = 0
    this.#freeBytes = 0
  }

  /** Whether one more buffer of this size would exceed the budget. */
  #isSpent(size: number): boolean {
    return this.#lentBytes + this.#freeBytes + size > this.#budget
  }

  /**
   * Makes room for a new buffer. Otherwise large buffers of a quiet time would block small ones of a busy
   * time.
   */
  #dropLargerThan(rank: number): void {
    for (let larger = SIZES.length - 1; larger > rank; larger--) {
      const dropped = this.#free[larger]!.pop()
      if (dropped !== undefined) {
        this.#freeBytes -= dropped.length
        return
      }
    }
  }
}
