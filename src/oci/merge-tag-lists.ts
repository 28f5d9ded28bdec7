import type { TagList } from './tag-list.ts'

const QUOTE = 0x22
const COMMA = 0x2c
/** Lists that are merged at a time. */
const WAYS = 16

/**
 * The text of the list of all tags of these lists, each once. The tags are compared where they stand: it takes
 * the memory of the texts twice, and not that of a string for each tag.
 */
export function mergedText(lists: readonly TagList[]): Buffer {
  let texts = lists.map(({ text }) => text).filter(({ length }) => length > 0)
  while (texts.length > 1) {
    const before = texts
    texts = []
    for (let i = 0; i < before.length; i += WAYS) texts.push(mergeSome(before.slice(i, i + WAYS)))
  }
  return texts[0] ?? Buffer.alloc(0)
}

function mergeSome(texts: readonly Buffer[]): Buffer {
  if (texts.length === 1) return texts[0]!
  const merged = Buffer.allocUnsafeSlow(texts.reduce((sum, { length }) => sum + length + 1, 0))
  const cursors = texts.map((text) => new Cursor(text))
  let end = 0
  for (let last: string | undefined; ;) {
    let first: Cursor | undefined
    for (const cursor of cursors)
      if (cursor.tag !== undefined && (first === undefined || cursor.tag < first.tag!)) first = cursor
    if (first === undefined) return merged.subarray(0, Math.max(0, end - 1))
    if (first.tag !== last) {
      end += first.copy(merged, end)
      merged[end] = COMMA
      end += 1
    }
    last = first.tag
    first.advance()
  }
}

/** Stands at one tag of a list after the other. */
class Cursor {
  /** undefined: the list is over. */
  tag: string | undefined
  readonly #text: Buffer
  /** The first byte of the tag with its quotes, and the byte behind it. */
  #start = 0
  #end = 0

  constructor(text: Buffer) {
    this.#text = text
    this.#read()
  }

  advance(): void {
    this.#start = this.#end + 1
    this.#read()
  }

  /** Copies the tag with its quotes. @returns how many bytes */
  copy(to: Buffer, at: number): number {
    return this.#text.copy(to, at, this.#start, this.#end)
  }

  #read(): void {
    const isOver = this.#start >= this.#text.length
    this.#end = isOver ? this.#start : this.#text.indexOf(QUOTE, this.#start + 1) + 1
    this.tag = isOver ? undefined : this.#text.toString('latin1', this.#start + 1, this.#end - 1)
  }
}
