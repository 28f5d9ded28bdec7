import { LIMITS } from './limits.ts'

/** One list is kept, one is being sent, and one is being made. */
const SLOTS = 3
/** Bytes of what a text is made of. A shorter one is no burden, and would keep a slot from a long one. */
const LONG = 1024 * 1024

/**
 * Memory for the texts of long lists that is used again and again. V8 counts memory that a script allocates
 * towards its heap, and would collect all of the heap after each list of 12 MB, which holds the event loop for
 * ten milliseconds (SEC-73). It does not count shared memory. The slots are as long as the longest body of a
 * page, and take as much memory as the longest text so far.
 */
export class TextSlots {
  readonly #free: SharedArrayBuffer[] = []
  readonly #lent = new Map<number, SharedArrayBuffer>()
  #made = 0
  readonly #unused = new FinalizationRegistry<SharedArrayBuffer>((slot) => this.#free.push(slot))

  /**
   * The slot that a thread writes the text of this task to, which is made of so many bytes; undefined when they
   * are few, or all slots are in use.
   */
  lend(task: number, bytes: number): SharedArrayBuffer | undefined {
    const slot = bytes < LONG ? undefined : (this.#free.pop() ?? this.#make())
    if (slot !== undefined) this.#lent.set(task, slot)
    return slot
  }

  /** The thread has written so many bytes. Their slot is used again when nobody can read them any more. */
  textOf(task: number, length: number): Buffer {
    const slot = this.#lent.get(task)!
    this.#lent.delete(task)
    // Another object for the same memory, which only those who read the text refer to.
    const memory = structuredClone(slot)
    this.#unused.register(memory, slot)
    return Buffer.from(memory, 0, length)
  }

  /** The thread is done with the task, and nobody wants what it has written. */
  giveBack(task: number): void {
    const slot = this.#lent.get(task)
    if (slot !== undefined) this.#free.push(slot)
    this.#lent.delete(task)
  }

  #make(): SharedArrayBuffer | undefined {
    if (this.#made === SLOTS) return undefined
    this.#made += 1
    return new SharedArrayBuffer(LIMITS.tags)
  }
}
