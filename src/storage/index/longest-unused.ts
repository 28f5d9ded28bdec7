import type { Digest } from '../../oci/digest.ts'
import type { Steps } from './in-slices.ts'

export interface UnusedContent {
  readonly digest: Digest
  readonly size: number
  /** Epoch milliseconds. */
  readonly lastUsed: number
  /** It is gone upstream, and goes last. */
  readonly vanished: number
}

/** Objects of each size class that are kept, the longest unused: about a megabyte. */
const KEPT = 4_096
/** As in the index `content_by_room`. */
const SMALL = 65_536

/** Of all content that is added, the longest unused, in order. Its memory is bounded. */
export class LongestUnused {
  readonly #large = new SizeClass()
  readonly #small = new SizeClass()

  /** May be added again. */
  add(content: UnusedContent): void {
    const of = content.size < SMALL ? this.#small : this.#large
    of.add(content)
  }

  /**
   * The first `limit` large and the first `limit` small ones, without those to skip. What has been used, or
   * is gone, is forgotten. Content that vanished upstream is included only when nothing else is left.
   *
   * @returns nothing when what was kept does not suffice to tell
   */
  *first(
    limit: number,
    isUnused: (content: UnusedContent) => boolean,
    skip: (content: UnusedContent) => boolean,
  ): Steps<readonly UnusedContent[]> {
    const large = yield* this.#large.first(limit, isUnused, skip)
    const small = yield* this.#small.first(limit, isUnused, skip)
    if (large === undefined || small === undefined) return []
    const all = [...large, ...small]
    const replaceable = all.filter(({ vanished }) => vanished === 0)
    return replaceable.length > 0 ? replaceable : all
  }
}

class SizeClass {
  #kept = new Map<Digest, UnusedContent>()
  #isSorted = true
  /** The last that is kept; what follows it was left out. */
  #end: UnusedContent | undefined

  add(content: UnusedContent): void {
    if (this.#end !== undefined && inOrder(content, this.#end) > 0) return
    this.#kept.set(content.digest, content)
    this.#isSorted = false
    if (this.#kept.size >= 2 * KEPT) this.#sort()
  }

  /** @returns undefined when there are others that were left out, and none of those that are kept */
  *first(
    limit: number,
    isUnused: (content: UnusedContent) => boolean,
    skip: (content: UnusedContent) => boolean,
  ): Steps<readonly UnusedContent[] | undefined> {
    if (!this.#isSorted) this.#sort()
    const found: UnusedContent[] = []
    for (const content of this.#kept.values()) {
      if (found.length === limit) break
      if (!isUnused(content)) this.#kept.delete(content.digest)
      else if (!skip(content)) found.push(content)
      yield
    }
    return found.length === 0 && this.#end !== undefined ? undefined : found
  }

  #sort(): void {
    const sorted = [...this.#kept.values()].toSorted(inOrder)
    if (sorted.length > KEPT) this.#end = sorted[KEPT - 1]
    this.#kept = new Map(sorted.slice(0, KEPT).map((content) => [content.digest, content]))
    this.#isSorted = true
  }
}

function inOrder(a: UnusedContent, b: UnusedContent): number {
  return a.vanished - b.vanished || a.lastUsed - b.lastUsed
}
