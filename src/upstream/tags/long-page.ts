import { endOfString } from '../../oci/manifest-json.ts'
import { plainTags } from '../../oci/plain-tags.ts'
import { TagList } from '../../oci/tag-list.ts'
import { type PageText, readPageText } from './page-text.ts'

/** Tags of one page. What is above takes the memory of others. */
const MOST_TAGS = 1_000_000
const KEY = '"tags"'

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/**
 * Reads the body of a page as `readPageText` does, while it comes: a string for each of a million tags would
 * take ten times the memory of the body.
 */
export class LongPage {
  /** What comes before the list of tags, with its bracket; then what comes after, with its bracket. */
  #around: Buffer[] = []
  /** Not read yet. Of the list: from an element on. */
  #rest: Buffer = Buffer.alloc(0)
  #reads: 'before' | 'list' | 'after' = 'before'
  #parts: TagList[] = []
  #tags = 0
  #isInvalid = false

  add(block: Buffer): void {
    if (this.#isInvalid) return
    this.#rest = this.#rest.length === 0 ? block : Buffer.concat([this.#rest, block])
    if (this.#reads === 'before') this.#findList()
    if (this.#reads === 'list') this.#readList()
    if (this.#tags > MOST_TAGS) this.#refuse()
  }

  /** @returns undefined when it is no tag list, or has too many */
  end(): PageText | undefined {
    if (this.#isInvalid || this.#reads === 'list') return undefined
    const page = readPageText(Buffer.concat([...this.#around, this.#rest]))
    if (page === undefined || this.#reads === 'before') return page
    return { ...page, list: TagList.merge(this.#parts) }
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
        this.#around.push(body.subarray(0, i + 1))
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
        this.#readPart(body.subarray(0, i))
        this.#rest = body.subarray(i)
        this.#reads = 'after'
        return
      }
    }
    if (cut < 0) return
    this.#readPart(body.subarray(0, cut))
    // A copy, so that the memory of what was read is free.
    this.#rest = Buffer.from(body.subarray(cut + 1))
  }

  #readPart(elements: Buffer): void {
    const plain = plainTags(elements)
    if (plain !== undefined) {
      if (plain.isEmpty && this.#tags > 0) this.#refuse()
      else this.#parts.push(plain)
      return
    }
    const text = elements.toString()
    const part = readPageText(`{"tags":[${text}]}`)
    // Beside a comma there has to be an element.
    if (part === undefined || (this.#tags > 0 && text.trim() === '')) this.#refuse()
    else this.#parts.push(part.list)
  }

  #refuse(): void {
    this.#isInvalid = true
    this.#rest = Buffer.alloc(0)
    this.#around = []
    this.#parts = []
  }
}
