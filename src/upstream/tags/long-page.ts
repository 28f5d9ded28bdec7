import { endOfString } from '../../oci/manifest-json.ts'
import { plainTags } from '../../oci/plain-tags.ts'
import type { Memory } from '../../oci/merge-tag-lists.ts'
import { TagList } from '../../oci/tag-list.ts'
import { freeMemory } from '../../util/own-memory.ts'
import { type PageText, readPageText } from './page-text.ts'

/** Tags of one page. What is above takes the memory of others. */
const MOST_TAGS = 1_000_000
const KEY = '"tags"'

const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/**
 * Reads the body of a page as `readPageText` does, while it comes: a string for each of a million tags would
 * take ten times the memory of the body. Its memory is free at once when it is disposed, and that of a block as
 * soon as nothing in it is needed: V8 would take its time, and collect the heap for it.
 */
export class LongPage implements Disposable {
  /** What comes before the list of tags, with its bracket; then what comes after, with its bracket. */
  #around: Buffer[] = []
  /** Not read yet. Of the list: from an element on. */
  #rest: Buffer = Buffer.alloc(0)
  #reads: 'before' | 'list' | 'after' = 'before'
  #parts: TagList[] = []
  #tags = 0
  #isInvalid = false

  /** Takes a block over with the memory that it is in. */
  add(block: Buffer): void {
    if (this.#isInvalid) return freeMemory(block)
    const rest = this.#rest
    this.#rest = block
    if (rest.length > 0) {
      this.#rest = Buffer.concat([rest, block])
      freeMemory(block)
    }
    if (this.#reads === 'before') this.#findList()
    if (this.#reads === 'list') this.#readList()
    if (this.#tags > MOST_TAGS) this.#refuse()
  }

  /** @returns undefined when it is no tag list, or has too many. The text of a long list is in `memory`. */
  end(memory?: Memory): PageText | undefined {
    if (this.#isInvalid || this.#reads === 'list') return undefined
    const page = readPageText(Buffer.concat([...this.#around, this.#rest]))
    if (page === undefined || this.#reads === 'before') return page
    return { ...page, list: TagList.merge(this.#parts, memory) }
  }

  [Symbol.dispose](): void {
    for (const { text } of this.#parts) freeMemory(text)
    this.#parts = []
  }

  /** Takes the list out of the body: what stays is the same body with an empty one. */
  #findList(): void {
    const body = this.#rest
    let depth = 0
    let isTags = false
    for (let i = 0; i < body.length; i++) {
      const byte = body[i]
      if (byte === QUOTE) {
        const end = endOfString(body, i + 1)
        if (depth === 1) isTags = body.toString('latin1', i, end + 1) === KEY
        i = end
      } else if (byte === COMMA) {
        isTags = false
      } else if (byte === OPEN_LIST && depth === 1 && isTags) {
        this.#around.push(Buffer.from(body.subarray(0, i + 1)))
        this.#rest = body.subarray(i + 1)
        this.#reads = 'list'
        return
      } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth += 1
      else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth -= 1
    }
  }

  /** Reads the elements that are whole. */
  #readList(): void {
    const body = this.#rest
    let depth = 0
    let cut = -1
    for (let i = 0; i < body.length; i++) {
      const byte = body[i]
      if (byte === QUOTE) {
        i = endOfString(body, i + 1)
      } else if (byte === COMMA) {
        if (depth > 0) continue
        cut = i
        this.#tags += 1
      } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth += 1
      else if (byte === CLOSE_OBJECT || (byte === CLOSE_LIST && depth > 0)) depth -= 1
      else if (byte === CLOSE_LIST) {
        this.#reads = 'after'
        this.#readPart(body, i, i)
        return
      }
    }
    if (cut >= 0) this.#readPart(body, cut, cut + 1)
  }

  /** Reads the elements that end at `end`. What is left begins at `next`. */
  #readPart(body: Buffer, end: number, next: number): void {
    this.#rest = Buffer.from(body.subarray(next))
    const elements = body.subarray(0, end)
    const list = plainTags(elements) ?? readPageText(`{"tags":[${elements.toString()}]}`)?.list
    // Beside a comma there has to be an element.
    if (list === undefined || (this.#tags > 0 && isBlank(elements))) this.#refuse()
    else this.#parts.push(list)
    if (list?.text.buffer !== body.buffer) freeMemory(body)
  }

  #refuse(): void {
    this.#isInvalid = true
    this.#rest = Buffer.alloc(0)
    this.#around = []
    this[Symbol.dispose]()
  }
}

function isBlank(elements: Buffer): boolean {
  return elements.every((byte) => byte <= SPACE)
}
