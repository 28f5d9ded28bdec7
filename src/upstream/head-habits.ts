/** The two kinds of content that are asked for by HEAD. */
export type HeadKind = 'manifest' | 'blob'

/** Milliseconds. An upstream may be mended, or have been in a bad hour. */
const LEARNT_FOR = 600_000

/**
 * Whether the HEAD of a repository can be relied on, for each kind of content. Some registries refuse HEAD,
 * deny what GET gives, or misstate sizes (harbor#22609, diun#1614, godoxy#169). HEAD is a hint, and GET
 * decides; where they have differed the hint is not asked for again for a while. A tag that is pushed between the
 * two makes them differ too, and a GET counts towards rate limits: so it is learnt for each repository alone.
 */
export class HeadHabits {
  readonly #now: () => number
  readonly #oddUntil: Record<HeadKind, number> = { manifest: -Infinity, blob: -Infinity }
  readonly #seenRight: Record<HeadKind, boolean> = { manifest: false, blob: false }

  /** `now`: milliseconds that never go back. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** GET is to be asked at once. */
  isOdd(kind: HeadKind): boolean {
    return this.#now() < this.#oddUntil[kind]
  }

  /** HEAD has given something that exists, and GET has never shown that it denies such things. */
  isReliable(kind: HeadKind): boolean {
    return this.#seenRight[kind] && !this.isOdd(kind)
  }

  right(kind: HeadKind): void {
    this.#seenRight[kind] = true
  }

  /** GET gave what HEAD had denied, refused or misdescribed. */
  contradicted(kind: HeadKind): void {
    this.#oddUntil[kind] = this.#now() + LEARNT_FOR
  }
}
