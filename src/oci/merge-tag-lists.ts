import type { TagList } from './tag-list.ts'

const QUOTE = 0x22
const COMMA = 0x2c
/** Makes a buffer of so many bytes. */
export type Memory = (bytes: number) => Buffer

/** Lists that are merged at a time. */
const WAYS = 16

/**
 * The text of the list of all tags of these lists, each once. The tags are compared where they stand: it takes
 * the memory of the texts twice, and not that of a string for each tag.
 */
export function mergedText(lists: readonly TagList[], memory: Memory): Buffer {
  let texts = lists.map(({ text }) => text).filter(({ length }) => length > 0)
  while (texts.length > 1) {
    const before = texts
    texts = []
    const isLast = before.length <= WAYS
    for (let i = 0; i < before.length; i += WAYS)
      texts.push(mergeSome(before.slice(i, i + WAYS), isLast ? memory : Buffer.allocUnsafeSlow))
  }
  return texts[0] ?? Buffer.alloc(0)
}

/** Tags of one list in a row after which it pays to look how many more follow. */
const IN_A_ROW = 8

function mergeSome(texts: readonly Buffer[], memory: Memory): Buffer {
  if (texts.length === 1) return texts[0]!
  const merged = memory(texts.reduce((sum, { length }) => sum + length + 1, 0))
  const cursors = texts.map((text) => new Cursor(text))
  let end = 0
  let before: Cursor | undefined
  let row = 0
  for (let last: string | undefined; ;) {
    const first = lowestOf(cursors)
    if (first === undefined) return merged.subarray(0, Math.max(0, end - 1))
    row = first === before ? row + 1 : 0
    before = first
    if (first.tag !== last) {
      if (row >= IN_A_ROW) first.extend(lowestOf(cursors, first)?.tag)
      last = first.tag
      end += first.copy(merged, end)
      merged[end] = COMMA
      end += 1
    }
    first.advance()
  }
}

function lowestOf(cursors: readonly Cursor[], except?: Cursor): Cursor | undefined {
  let lowest: Cursor | undefined
  for (const cursor of cursors) {
    const { tag } = cursor
    if (tag !== undefined && cursor !== except && (lowest === undefined || tag < lowest.tag!)) lowest = cursor
  }
  return lowest
}

/** Stands at one tag of a list after the other, or at several. */
class Cursor {
  /** The last one that it stands at; undefined: the list is over. */
  tag: string | undefined
  readonly #text: Buffer
  /** The first byte of the first tag with its quotes, and the byte behind the last. */
  #start = 0
  #end = 0

  constructor(text: Buffer) {
    this.#text = text
    this.#standAt(0)
  }

  advance(): void {
    this.#start = this.#end + 1
    this.#standAt(this.#start)
  }

  /** Stands at all that follow before `limit`, too. Without it, at all that follow. */
  extend(limit: string | undefined): void {
    const text = this.#text
    let last = this.#start
    let high = text.length
    for (let low = this.#end + 1; low < high;) {
      const start = text.lastIndexOf(COMMA, (low + high) >> 1) + 1
      // The comma before the first tag that is left may be the one that was found.
      const from = Math.max(start, low)
      if (limit !== undefined && this.#tagAt(from) >= limit) high = from
      else {
        last = from
        low = this.#endOf(from) + 1
      }
    }
    this.#standAt(last)
  }

  /** Copies the tags with their quotes. @returns how many bytes */
  copy(to: Buffer, at: number): number {
    return this.#text.copy(to, at, this.#start, this.#end)
  }

  #standAt(last: number): void {
    const isOver = last >= this.#text.length
    this.#end = isOver ? last : this.#endOf(last)
    this.tag = isOver ? undefined : this.#tagAt(last)
  }

  #tagAt(start: number): string {
    return this.#text.toString('latin1', start + 1, this.#endOf(start) - 1)
  }

  #endOf(start: number): number {
    return this.#text.indexOf(QUOTE, start + 1) + 1
  }
}
