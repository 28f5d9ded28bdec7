import type { Interval, IntervalSet } from '../../util/interval-set.ts'

/** A stretch of the blob that one connection fetches: it has written up to `position`, and stops at `end`. */
export interface Segment {
  position: number
  /** Moves down when another connection takes over the far part. Infinity while the size is unknown. */
  end: number
  /** Where the body ends that is received for it. What the body has beyond `end` arrives in vain. */
  bodyEnd?: number
}

/** Whether `segment` may be divided, so that it ends at `end`. */
export type MayDivide = (segment: Segment, end: number) => boolean

/** Bytes. A smaller part of a segment is not worth a connection of its own. */
const SMALLEST_PART = 1024 * 1024

/**
 * Decides which connection fetches what, so that no byte is fetched twice. A byte is free when it is neither
 * filled nor part of a segment that was taken. When no byte is free, a new connection takes over a part of
 * the largest segment.
 */
export class SegmentAllocator {
  readonly #filled: IntervalSet
  readonly #taken = new Set<Segment>()

  constructor(filled: IntervalSet) {
    this.#filled = filled
  }

  /** The number of separate stretches that are free: each needs at least one more request. */
  freeStretches(size: number): number {
    let count = 0
    for (let free = this.#firstFree(0, size); free; free = this.#firstFree(free.end, size)) count += 1
    return count
  }

  /** The first missing stretch, whatever its length: for a connection that works alone. */
  takeGap(size: number): Segment | undefined {
    return this.#take(this.#filled.firstGap(0, size))
  }

  /** Everything from the first missing byte on, filled bytes included: for a source without ranges. */
  takeRest(size: number): Segment | undefined {
    const gap = this.#filled.firstGap(0, size)
    return this.#take(gap && { start: gap.start, end: size })
  }

  /** The next free segment in order, of at most `length` bytes; undefined when no byte is free. */
  takeNext(size: number, length: number): Segment | undefined {
    const gap = this.#firstFree(0, size)
    return this.#take(gap && { start: gap.start, end: Math.min(gap.end, gap.start + length) })
  }

  /**
   * Takes over at most `length` bytes of the largest segment, ahead of its connection.
   *
   * @returns undefined when it is too small, or may not be divided
   */
  takeOver(length: number, mayDivide?: MayDivide): Segment | undefined {
    const largest = this.#largest
    if (largest === undefined || !Number.isFinite(largest.end)) return undefined
    const part = Math.min(length, Math.floor((largest.end - largest.position) / 2))
    return part < SMALLEST_PART ? undefined : this.#split(largest.position + part, length, mayDivide)
  }

  /**
   * A segment of at most `length` bytes that starts at `position`, also out of one that was taken: for a
   * reader that waits there.
   */
  takeAt(position: number, size: number, length: number, mayDivide?: MayDivide): Segment | undefined {
    if (this.#filled.filledFrom(position) > position) return undefined
    if (this.#holderOf(position) !== undefined) return this.#split(position, length, mayDivide)
    const gap = this.#firstFree(position, size)
    return gap?.start === position
      ? this.#take({ start: position, end: Math.min(gap.end, position + length) })
      : undefined
  }

  /** Gives the segment back: what is missing of it is free again. */
  release(segment: Segment): void {
    this.#taken.delete(segment)
  }

  /**
   * Moves the ends of segments up again, to where their bodies go: nobody else will fetch what lies there.
   */
  reclaim(): void {
    const positions = [...this.#taken].map(({ position }) => position)
    for (const segment of this.#taken) {
      const { position, bodyEnd = segment.end } = segment
      segment.end = Math.max(segment.end, Math.min(bodyEnd, ...positions.filter((at) => at > position)))
    }
  }

  /**
   * How many bytes a connection still has to fetch before it reaches `position`; undefined when none will.
   */
  distanceTo(position: number): number | undefined {
    if (this.#filled.filledFrom(position) > position) return 0
    const holder = this.#holderOf(position)
    // What it has written counts, also while the store is not done with it: a slow one takes a while.
    return holder && Math.max(0, position - this.#filled.filledFrom(holder.position))
  }

  /** Bytes that the largest segment still misses. */
  get longest(): number {
    const largest = this.#largest
    return largest === undefined ? 0 : largest.end - largest.position
  }

  get #largest(): Segment | undefined {
    return [...this.#taken].toSorted((a, b) => b.end - b.position - (a.end - a.position))[0]
  }

  #holderOf(position: number): Segment | undefined {
    return [...this.#taken].find((segment) => segment.position <= position && position < segment.end)
  }

  #split(position: number, length: number, mayDivide: MayDivide = () => true): Segment | undefined {
    const holder = this.#holderOf(position)
    if (holder === undefined || holder.position === position || !mayDivide(holder, position)) return undefined
    const { end } = holder
    holder.end = position
    return this.#take({ start: position, end: Math.min(end, position + length) })
  }

  #firstFree(from: number, size: number): Interval | undefined {
    let gap = this.#filled.firstGap(from, size)
    while (gap !== undefined) {
      const { start, end } = gap
      const holder = this.#holderOf(start)
      if (holder === undefined) {
        const next = Math.min(
          end,
          ...[...this.#taken].map(({ position }) => position).filter((at) => at > start),
        )
        return { start, end: next }
      }
      gap = holder.end >= size ? undefined : this.#filled.firstGap(holder.end, size)
    }
    return undefined
  }

  #take(interval: Interval | undefined): Segment | undefined {
    if (interval === undefined) return undefined
    const segment = { position: interval.start, end: interval.end }
    this.#taken.add(segment)
    return segment
  }
}
