// Powers of two. The largest is the size at which a warm read is fastest.
const SIZES = [16, 32, 64, 128, 256, 512].map((kibibytes) => kibibytes * 1024)

/** Buffers lent, from which on a reader is to have one at a time. */
const MANY = 32

/**
 * Buffers for bytes on their way from a store to a socket. One buffer never takes more than an eighth of what is left of the
 * budget, so that few readers get large ones, and a thousand stalled ones hold little more than the budget, whatever order they
 * came in.
 */
export class BufferPool {
  readonly #budget: number
  readonly #free: readonly Buffer[][] = SIZES.map(() => [])
  #freeBytes = 0
  #lentBytes = 0
  #lent = 0

  /** `budget` is in bytes. What is not lent of it may be kept for reuse. */
  constructor(budget = 12 * 1024 * 1024) {
    this.#budget = budget
  }

  /** Bytes that are lent. */
  get lentBytes(): number {
    return this.#lentBytes
  }

  /**
   * Others have the disk and the sockets busy: reading ahead would make nothing faster, and the pieces of all half as large, which
   * costs each of them as many trips to the disk again.
   */
  get isCrowded(): boolean {
    return this.#lent >= MANY
  }

  /** A buffer with anything in it, no larger than it needs to be for `wanted` bytes, often smaller. */
  take(wanted: number): Buffer {
    const allowed = (this.#budget - this.#lentBytes) / 8
    let rank = 0
    while (rank + 1 < SIZES.length && SIZES[rank]! < wanted && SIZES[rank + 1]! <= allowed) rank++
    while (rank > 0 && this.#free[rank]!.length === 0 && this.#isSpent(SIZES[rank]!)) rank--
    const size = SIZES[rank]!
    this.#lentBytes += size
    this.#lent += 1
    const buffer = this.#free[rank]!.pop()
    if (buffer !== undefined) {
      this.#freeBytes -= size
      return buffer
    }
    this.#dropLargerThan(rank)
    return Buffer.allocUnsafeSlow(size)
  }

  /** The caller is done with it, and so is the kernel. */
  give(buffer: Buffer): void {
    this.forget(buffer)
    const kept = this.#freeBytes + buffer.length
    // However much is lent, some are kept: else a thousand readers would have a new one made for every piece.
    if (kept > this.#budget / 4 && this.#lentBytes + kept > this.#budget) return
    this.#freeBytes += buffer.length
    this.#free[SIZES.indexOf(buffer.length)]!.push(buffer)
  }

  /** Counts it as returned without lending it again: something that did not end may still touch it. */
  forget(buffer: Buffer): void {
    this.#lentBytes -= buffer.length
    this.#lent -= 1
  }

  /** Whether to make one more of this size would be more than the budget: a smaller one that is there will do. */
  #isSpent(size: number): boolean {
    return this.#lentBytes + this.#freeBytes + size > this.#budget
  }

  /** Makes room for what is asked for now. Else the large buffers of a quiet time would keep out the small ones of a busy one. */
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
