const SMALLEST = 16 * 1024
const LARGEST = 512 * 1024

/**
 * Buffers for bytes on their way from a store to a socket. Sizes are powers of two. One buffer never takes more than an eighth
 * of what is left of `budget`, so that few readers get the size at which a warm read is fastest, and a thousand stalled ones
 * hold little more than the budget, whatever order they came in.
 */
export class BufferPool {
  readonly #budget: number
  readonly #free = new Map<number, Buffer[]>()
  #freeBytes = 0
  #lentBytes = 0

  /** `budget` is in bytes. Half of it may be kept for reuse while nobody needs it. */
  constructor(budget = 64 * 1024 * 1024) {
    this.#budget = budget
  }

  /** Bytes that are lent. */
  get lentBytes(): number {
    return this.#lentBytes
  }

  /** A buffer with anything in it, no larger than it needs to be for `wanted` bytes, often smaller. */
  take(wanted: number): Buffer {
    const allowed = Math.min(LARGEST, (this.#budget - this.#lentBytes) / 8)
    let size = SMALLEST
    while (size < wanted && size * 2 <= allowed) size *= 2
    this.#lentBytes += size
    const free = this.#free.get(size)?.pop()
    if (free === undefined) return Buffer.allocUnsafeSlow(size)
    this.#freeBytes -= size
    return free
  }

  /** The caller is done with it, and so is the kernel. */
  give(buffer: Buffer): void {
    this.forget(buffer)
    if (this.#freeBytes + buffer.length > this.#budget / 2) return
    this.#freeBytes += buffer.length
    const list = this.#free.get(buffer.length)
    if (list === undefined) this.#free.set(buffer.length, [buffer])
    else list.push(buffer)
  }

  /** Counts it as returned without lending it again: something that did not end may still touch it. */
  forget(buffer: Buffer): void {
    this.#lentBytes -= buffer.length
  }
}
