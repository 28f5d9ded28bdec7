import type { IntervalSet } from '../../util/interval-set.ts'
import { takesLong } from '../download-policy.ts'
import type { Connection } from './connection.ts'
import { OpenBodies, type Purpose } from './open-bodies.ts'
import type { Representation } from './representation.ts'
import { mayOpenAnother, type RequestCount, segmentLength } from './request-budget.ts'
import { type MayDivide, type Segment, SegmentAllocator } from './segments.ts'

/** What the connections of one download fetch next, within what the blob may cost upstream. */
export class SegmentPlan {
  readonly #filled: IntervalSet
  readonly #representation: Representation
  readonly #segments: SegmentAllocator
  readonly #bodies = new OpenBodies()
  #sent = 0

  constructor(filled: IntervalSet, representation: Representation) {
    this.#filled = filled
    this.#representation = representation
    this.#segments = new SegmentAllocator(filled)
  }

  /** Requests sent so far. */
  get sent(): number {
    return this.#sent
  }

  /**
   * Upstream honours ranges as far as is known, and another connection is within the requests of the blob.
   */
  get mayOpenAnother(): boolean {
    return this.#representation.hasRanges !== false && mayOpenAnother(this.#requests)
  }

  /** A connection was seen to wait for upstream. */
  get isDry(): boolean {
    return this.#bodies.isDry
  }

  /**
   * The first missing bytes. When none is missing, the last byte: the store has not proved that this upstream
   * has the blob, so it is asked all the same.
   */
  first(): Segment {
    const { size, end } = this.#representation
    return this.#segments.takeGap(end) ?? { position: Math.max(0, (size ?? 0) - 1), end }
  }

  /** The next segment of a connection that works alone; undefined when no byte is missing. */
  alone(): Segment | undefined {
    const { hasRanges, end } = this.#representation
    return hasRanges === false ? this.#segments.takeRest(end) : this.#segments.takeGap(end)
  }

  /**
   * The next segment of one connection of several: no byte of it is being fetched, or it is a share of what
   * another one has left, so that none is alone with a long rest at the end. `rate`: bytes per second of each.
   */
  beside(rate: number): Segment | undefined {
    const requests = this.#requests
    const free = this.#segments.takeNext(this.#representation.end, segmentLength(requests))
    if (free !== undefined) return free
    return mayOpenAnother(requests) && takesLong(this.#segments.longest, rate) ? this.#takeOver() : undefined
  }

  /** A segment for a further connection. */
  another(): Segment | undefined {
    return (
      this.#segments.takeNext(this.#representation.end, segmentLength(this.#requests)) ?? this.#takeOver()
    )
  }

  /** A segment for a further connection, for a reader that waits at `position`. */
  at(position: number): Segment | undefined {
    const { end } = this.#representation
    return this.#segments.takeAt(position, end, segmentLength(this.#requests), this.#mayDivide('reader'))
  }

  /** As `SegmentAllocator.distanceTo`. */
  distanceTo(position: number): number | undefined {
    return this.#segments.distanceTo(position)
  }

  /** `connection` sends a request for `segment`. */
  send(segment: Segment, connection: Connection): void {
    this.#sent += 1
    this.#bodies.hold(segment, connection)
  }

  /** The connection of `segment` is done with it. What is missing of it is free again. */
  release(segment: Segment): void {
    this.#bodies.release(segment)
    this.#segments.release(segment)
    // No other request can fetch a part of it. A body that is still received may have it.
    if (this.#representation.hasRanges === false) this.#segments.reclaim()
  }

  /** Runs at every beat, and after every answer, which may have shown that upstream honours ranges. */
  review(): void {
    const { size, hasRanges } = this.#representation
    if (size === undefined) return
    this.#bodies.review(size, hasRanges === true && mayOpenAnother(this.#requests))
  }

  get #requests(): RequestCount {
    const { end: size } = this.#representation
    return {
      size,
      missing: size - this.#filled.size,
      sent: this.#sent,
      due: this.#segments.freeStretches(size),
    }
  }

  #takeOver(): Segment | undefined {
    return this.#segments.takeOver(segmentLength(this.#requests), this.#mayDivide('speed'))
  }

  #mayDivide(purpose: Purpose): MayDivide {
    const { end: size } = this.#representation
    return (segment, end) =>
      this.#bodies.mayDivide(size, segment, end, mayOpenAnother(this.#requests, 2), purpose)
  }
}
