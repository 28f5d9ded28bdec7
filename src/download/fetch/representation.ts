import { RegistryError } from '../../oci/errors.ts'
import type { BlobBody } from '../../ports/upstream.ts'
import type { Interval } from '../../util/interval-set.ts'

/** What a source has said about the blob so far. Every further answer has to agree with it. */
export class Representation {
  #size: number | undefined
  #etag: string | undefined
  #hasRanges: boolean | undefined
  #isConfirmed = false
  #isFollowed = false

  constructor(expectedSize: number | undefined) {
    this.#size = expectedSize
  }

  /** Bytes of the whole blob; undefined while neither the manifest nor the source has told. */
  get size(): number | undefined {
    return this.#size
  }

  /** The size, or Infinity while it is unknown. */
  get end(): number {
    return this.#size ?? Infinity
  }

  /** Whether the source honours ranges; undefined before the first range was asked for. */
  get hasRanges(): boolean | undefined {
    return this.#hasRanges
  }

  /** The source has answered with the blob. */
  get isConfirmed(): boolean {
    return this.#isConfirmed
  }

  /** The source passes on what it is receiving itself: another connection to it brings nothing sooner. */
  get isFollowed(): boolean {
    return this.#isFollowed
  }

  /** The range to ask for; undefined = the whole blob. */
  rangeFor({ start, end }: Interval): Partial<Interval> | undefined {
    const isToTheEnd = end >= this.end
    if (this.#hasRanges === false || (start === 0 && isToTheEnd)) return undefined
    return isToTheEnd ? { start } : { start, end }
  }

  /**
   * Checks the answer to a request for `range`, and learns from it.
   *
   * @throws RegistryError UPSTREAM_INVALID when it contradicts
   */
  accept(body: BlobBody, range: Partial<Interval> | undefined): void {
    if (this.#size !== undefined && body.total !== undefined && body.total !== this.#size) {
      // A continuation of something else. The whole blob shows what is right.
      if (range !== undefined) this.loseRanges()
      const detail = { reason: 'size mismatch', expected: this.#size, actual: body.total }
      throw new RegistryError('UPSTREAM_INVALID', detail)
    }
    this.#size ??= body.total
    const isMisplaced = body.start !== (range?.start ?? 0)
    const hasChanged = this.#etag !== undefined && body.etag !== undefined && body.etag !== this.#etag
    if (isMisplaced || (range !== undefined && hasChanged)) {
      this.loseRanges()
      const reason = 'range ignored, or content changed'
      throw new RegistryError('UPSTREAM_INVALID', { reason, start: body.start })
    }
    this.#etag ??= body.etag
    if (range !== undefined) this.#hasRanges = true
    this.#isConfirmed = true
    this.#isFollowed = body.isFollowed ?? false
  }

  /** A range was refused, or answered wrongly: only the whole blob is asked for from now on. */
  loseRanges(): void {
    this.#hasRanges = false
  }

  /** A body without a length has ended cleanly at `position`. */
  endedAt(position: number): void {
    this.#size ??= position
  }
}
