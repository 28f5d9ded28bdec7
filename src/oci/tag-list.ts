import { type Memory, mergedText } from './merge-tag-lists.ts'
import { isTag } from './reference.ts'

const COMMA = 0x2c
const QUOTE = 0x22
const SEPARATOR = Buffer.of(COMMA)

/**
 * One page of a list: the text between the brackets of a JSON array, and the last of its tags where more
 * follow.
 */
export interface TagListPage {
  readonly text: Buffer
  readonly next?: string
}

/**
 * Tags in lexical order, each once, kept as the text between the brackets of a JSON array. A million tags are
 * one buffer of some megabytes instead of a million strings, are counted in bytes, and reach a client without
 * being read again.
 */
export class TagList {
  readonly text: Buffer

  /** `text` must be in order; use `TagList.of` for anything that is not known to be. */
  constructor(text: Buffer) {
    this.text = text
  }

  /** Sorts and deduplicates. What is not a tag is left out: nobody could pull it. */
  static of(values: Iterable<unknown>): TagList {
    const tags: string[] = []
    for (const value of values) if (typeof value === 'string' && isTag(value)) tags.push(value)
    tags.sort()
    // In place: there may be a million.
    let count = 0
    for (const tag of tags) if (count === 0 || tags[count - 1] !== tag) tags[count++] = tag
    tags.length = count
    // The grammar of tags has no character that JSON escapes.
    return new TagList(Buffer.from(count === 0 ? '' : `"${tags.join('","')}"`, 'latin1'))
  }

  /** `memory` returns so many bytes for the text, unless there is one already. */
  static merge(lists: readonly TagList[], memory: Memory = Buffer.allocUnsafe): TagList {
    return TagList.concat(lists, memory) ?? new TagList(mergedText(lists, memory))
  }

  /**
   * Merges lists of which each begins after the end of the one before, without reading them; undefined for
   * others.
   */
  static concat(lists: readonly TagList[], memory: Memory = Buffer.allocUnsafe): TagList | undefined {
    const filled = lists.filter((list) => !list.isEmpty)
    if (filled.length === 1) return filled[0]
    const isInOrder = filled.every((list, i) => i === 0 || filled[i - 1]!.last! < list.first!)
    if (!isInOrder) return undefined
    const pieces = filled.flatMap(({ text }, i) => (i === 0 ? [text] : [SEPARATOR, text]))
    const text = memory(pieces.reduce((sum, { length }) => sum + length, 0))
    let end = 0
    for (const piece of pieces) end += piece.copy(text, end)
    return new TagList(text)
  }

  get isEmpty(): boolean {
    return this.text.length === 0
  }

  get first(): string | undefined {
    return this.isEmpty ? undefined : this.#tagAt(0)
  }

  get last(): string | undefined {
    return this.isEmpty ? undefined : this.#tagAt(this.text.lastIndexOf(COMMA) + 1)
  }

  get tags(): string[] {
    return this.isEmpty ? [] : this.text.toString('latin1').slice(1, -1).split('","')
  }

  /** At most `n` tags after `last`, which need not be in the list. */
  page(n = Infinity, last = ''): TagListPage {
    const from = this.#after(last)
    if (n === Infinity) return { text: this.text.subarray(from) }
    let end = from
    for (let count = 0; count < n; count++) {
      const comma = this.text.indexOf(COMMA, end)
      if (comma < 0) return { text: this.text.subarray(from) }
      end = comma + 1
    }
    if (end === from) return { text: this.text.subarray(from, from) }
    const text = this.text.subarray(from, end - 1)
    return { text, next: new TagList(text).last! }
  }

  /** Where the first tag after `last` begins, or the end of the text. */
  #after(last: string): number {
    let low = 0
    let high = this.text.length
    while (low < high) {
      const middle = (low + high) >> 1
      const start = middle === 0 ? 0 : this.text.lastIndexOf(COMMA, middle - 1) + 1
      if (this.#tagAt(start) > last) high = start
      else {
        const comma = this.text.indexOf(COMMA, start)
        low = comma < 0 ? this.text.length : comma + 1
      }
    }
    return low
  }

  #tagAt(start: number): string {
    return this.text.toString('latin1', start + 1, this.text.indexOf(QUOTE, start + 1))
  }
}
