/** Half-open: `start` is in it, `end` is not. */
export interface Interval {
  readonly start: number
  readonly end: number
}

/** A set of byte positions, kept as sorted, disjoint, non-touching intervals. */
export class IntervalSet implements Iterable<Interval> {
  #intervals: Interval[] = []

  constructor(intervals: Iterable<Interval> = []) {
    for (const { start, end } of intervals) this.add(start, end)
  }

  add(start: number, end: number): void {
    if (start >= end) return
    const list = this.#intervals
    const last = list.at(-1)
    if (last !== undefined && start === last.end) {
      list[list.length - 1] = { start: last.start, end }
      return
    }
    const before = list.filter((interval) => interval.end < start)
    const after = list.filter((interval) => interval.start > end)
    const touched = list.slice(before.length, list.length - after.length)
    this.#intervals = [
      ...before,
      { start: Math.min(start, touched[0]?.start ?? start), end: Math.max(end, touched.at(-1)?.end ?? end) },
      ...after,
    ]
  }

  /** The end of the filled stretch that holds `position`; `position` itself when that byte is missing. */
  filledFrom(position: number): number {
    const holder = this.#intervals.find(({ start, end }) => start <= position && position < end)
    return holder?.end ?? position
  }

  /** The stretch of missing bytes in [`from`, `limit`) that comes first; undefined when all are there. */
  firstGap(from: number, limit: number): Interval | undefined {
    const start = this.filledFrom(from)
    if (start >= limit) return undefined
    const next = this.#intervals.find((interval) => interval.start > start)
    return { start, end: Math.min(next?.start ?? limit, limit) }
  }

  /** How many bytes are in the set. */
  get size(): number {
    return this.#intervals.reduce((sum, { start, end }) => sum + end - start, 0)
  }

  [Symbol.iterator](): IterableIterator<Interval> {
    return this.#intervals[Symbol.iterator]()
  }
}
