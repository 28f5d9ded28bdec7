/** A half-open range of byte positions: it includes `start` and excludes `end`. */
export interface Interval {
  readonly start: number
  readonly end: number
}

/**
 * A set of byte positions, kept as sorted, disjoint intervals that do not touch. Every operation is
 * logarithmic: one runs for each chunk that arrives.
 */
export class IntervalSet implements Iterable<Interval> {
  readonly #intervals: Interval[] = []
  #size = 0

  constructor(intervals: Iterable<Interval> = []) {
    for (const { start, end } of intervals) this.add(start, end)
  }

  add(start: number, end: number): void {
    if (start >= end) return
    const list = this.#intervals
    const from = this.#firstEndingFrom(start)
    let to = from
    let first = start
    let last = end
    for (; to < list.length && list[to]!.start <= end; to++) {
      const touched = list[to]!
      first = Math.min(first, touched.start)
      last = Math.max(last, touched.end)
      this.#size -= touched.end - touched.start
    }
    this.#size += last - first
    list.splice(from, to - from, { start: first, end: last })
  }

  /** The end of the interval that contains `position`; `position` itself when that byte is missing. */
  filledFrom(position: number): number {
    const holder = this.#intervals[this.#firstEndingFrom(position + 1)]
    return holder !== undefined && holder.start <= position ? holder.end : position
  }

  /** The first interval of missing bytes within [`from`, `limit`); undefined when none is missing. */
  firstGap(from: number, limit: number): Interval | undefined {
    const start = this.filledFrom(from)
    if (start >= limit) return undefined
    const next = this.#intervals[this.#firstEndingFrom(start + 1)]
    return { start, end: Math.min(next?.start ?? limit, limit) }
  }

  /** The number of bytes in the set. */
  get size(): number {
    return this.#size
  }

  [Symbol.iterator](): IterableIterator<Interval> {
    return this.#intervals[Symbol.iterator]()
  }

  /** The index of the first interval that ends at `position` or later. */
  #firstEndingFrom(position: number): number {
    let low = 0
    let high = this.#intervals.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#intervals[middle]!.end < position) low = middle + 1
      else high = middle
    }
    return low
  }
}
