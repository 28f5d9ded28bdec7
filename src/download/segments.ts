import type { Interval, IntervalSet } from '../util/interval-set.ts'

/** A stretch that one connection is fetching: it has written up to `position` and is to stop at `end`. */
export interface Claim {
  position: number
  /** Moves down when another connection takes over the far part. Infinity while the size is unknown. */
  end: number
}

/** Below this a stretch is not worth a connection of its own. */
const SMALLEST_SHARE = 1024 * 1024

/**
 * Which connection fetches what. The missing bytes are those neither filled nor claimed; a new connection takes the first of them,
 * and when all are claimed it takes over a part of the largest claim.
 */
export class Claims {
  readonly #filled: IntervalSet
  readonly #segment: number
  readonly #claims = new Set<Claim>()

  /** `segment`: bytes one connection takes at a time, so that bytes arrive about in the order readers want them. */
  constructor(filled: IntervalSet, segment: number) {
    this.#filled = filled
    this.#segment = segment
  }

  /** What is missing up to the first byte that is there: for a connection that works alone. */
  takeGap(size: number): Claim | undefined {
    return this.#claim(this.#filled.firstGap(0, size))
  }

  /** Everything behind the first missing byte, again where it is there already: for an upstream without ranges. */
  takeRest(size: number): Claim | undefined {
    const gap = this.#filled.firstGap(0, size)
    return this.#claim(gap && { start: gap.start, end: size })
  }

  /** The next segment in order; undefined when every missing byte is claimed or there is none. */
  takeNext(size: number): Claim | undefined {
    const gap = this.#firstUnclaimed(0, size)
    return this.#claim(gap && { start: gap.start, end: Math.min(gap.end, gap.start + this.#segment) })
  }

  /** Takes over a part of the largest claim, ahead of where its connection is. */
  takeOver(): Claim | undefined {
    const largest = [...this.#claims].toSorted((a, b) => b.end - b.position - (a.end - a.position))[0]
    if (largest === undefined || !Number.isFinite(largest.end)) return undefined
    const share = Math.min(this.#segment, Math.floor((largest.end - largest.position) / 2))
    return share < SMALLEST_SHARE ? undefined : this.#split(largest.position + share)
  }

  /** A segment from `position` on, whoever claimed it, because a reader waits for it. */
  takeAt(position: number, size: number): Claim | undefined {
    if (this.#filled.filledFrom(position) > position) return undefined
    if (this.#holderOf(position) !== undefined) return this.#split(position)
    const gap = this.#firstUnclaimed(position, size)
    return gap?.start === position
      ? this.#claim({ start: position, end: Math.min(gap.end, position + this.#segment) })
      : undefined
  }

  release(claim: Claim): void {
    this.#claims.delete(claim)
  }

  /** How many bytes a connection still has to fetch before it reaches `position`; undefined when none is on its way there. */
  distanceTo(position: number): number | undefined {
    const holder = this.#holderOf(position)
    return holder && position - holder.position
  }

  #holderOf(position: number): Claim | undefined {
    return [...this.#claims].find((claim) => claim.position <= position && position < claim.end)
  }

  #split(position: number): Claim | undefined {
    const holder = this.#holderOf(position)
    if (holder === undefined || holder.position === position) return undefined
    const { end } = holder
    holder.end = position
    return this.#claim({ start: position, end: Math.min(end, position + this.#segment) })
  }

  #firstUnclaimed(from: number, size: number): Interval | undefined {
    let gap = this.#filled.firstGap(from, size)
    while (gap !== undefined) {
      const { start, end } = gap
      const holder = this.#holderOf(start)
      if (holder === undefined) {
        const next = Math.min(
          end,
          ...[...this.#claims].map(({ position }) => position).filter((at) => at > start),
        )
        return { start, end: next }
      }
      gap = holder.end >= size ? undefined : this.#filled.firstGap(holder.end, size)
    }
    return undefined
  }

  #claim(interval: Interval | undefined): Claim | undefined {
    if (interval === undefined) return undefined
    const claim = { position: interval.start, end: interval.end }
    this.#claims.add(claim)
    return claim
  }
}
