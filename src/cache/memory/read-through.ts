import { LRUCache } from 'lru-cache'

export interface ReadThroughOptions<Key, Value> {
  /** Of all entries together; the least recently used goes first. */
  readonly maxBytes: number
  /** Milliseconds that an entry is kept. */
  readonly maxAge: number
  /** Bytes that a value takes, roughly. Keys are counted here. */
  readonly sizeOf: (value: Value, key: Key) => number
  /** Monotonic milliseconds. */
  readonly now?: () => number
}

/** Reads of one key that are under way. */
interface Reads {
  count: number
  areOvertaken: boolean
}

/**
 * A bounded map in front of something that is slower and may change. Whoever changes it calls `forget`
 * afterwards: a read that began before is then not kept, as it may have seen the old state.
 */
export class ReadThrough<Key extends string, Value extends object> {
  readonly #entries: LRUCache<Key, Value>
  readonly #reads = new Map<Key, Reads>()

  constructor({ maxBytes, maxAge, sizeOf, now }: ReadThroughOptions<Key, Value>) {
    this.#entries = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: sizeOf,
      ttl: maxAge,
      // The clock is read once a second at most: an entry may be kept that much longer.
      ...(now === undefined ? { ttlResolution: 1000 } : { ttlResolution: 0, perf: { now } }),
    })
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key)
  }

  /**
   * Keeps what `read` finds, as `keep` makes it an entry; undefined = nothing is kept.
   *
   * @returns what `read` found. @throws what `read` throws
   */
  async read<Found>(
    key: Key,
    read: () => Found | Promise<Found>,
    keep: (found: Found) => Value | undefined,
  ): Promise<Found> {
    const reads = this.#reads.get(key) ?? { count: 0, areOvertaken: false }
    reads.count += 1
    this.#reads.set(key, reads)
    try {
      const found = await read()
      const value = reads.areOvertaken ? undefined : keep(found)
      // An entry that is added to keeps its age: it is as old as its oldest part.
      if (value !== undefined) this.#entries.set(key, value, { noUpdateTTL: true })
      return found
    } finally {
      reads.count -= 1
      if (reads.count === 0 && this.#reads.get(key) === reads) this.#reads.delete(key)
    }
  }

  forget(key: Key): void {
    this.#overtake(key)
    this.#entries.delete(key)
  }

  /** Keeps a value that what lies behind could not take in. A read that began before is not kept. */
  put(key: Key, value: Value): void {
    this.forget(key)
    this.#entries.set(key, value)
  }

  forgetAll(): void {
    for (const key of this.#reads.keys()) this.#overtake(key)
    this.#entries.clear()
  }

  #overtake(key: Key): void {
    const reads = this.#reads.get(key)
    if (reads === undefined) return
    reads.areOvertaken = true
    this.#reads.delete(key)
  }
}
