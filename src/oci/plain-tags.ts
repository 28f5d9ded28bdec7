import { TagList } from './tag-list.ts'

const QUOTE = 0x22
const COMMA = 0x2c
/** Of a tag: distribution-spec v1.1.1 "Pulling manifests". */
const LONGEST = 128
/** Whether a byte may be in a tag: 1, at its beginning too: 2. */
const TAG = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte)
  if (/[A-Za-z0-9_]/.test(character)) return 2
  return Number(character === '.' || character === '-')
})

/**
 * The list of the tags in `elements`, the text between the brackets of a JSON array, without a string for each
 * of them: those are work for the garbage collector, whose threads take the processors from everybody else.
 *
 * @returns undefined for a text that has anything else than tags and commas in it, white space for example
 */
export function plainTags(elements: Buffer): TagList | undefined {
  const starts = startsOf(elements)
  if (starts === undefined) return undefined
  const sorted = sort(starts, (a, b) => compare(elements, a, b))
  return new TagList(sorted === 'in order' ? elements : gather(elements, sorted))
}

/** Where the tags begin, with their quotes. */
function startsOf(text: Buffer): Uint32Array | undefined {
  if (text.length === 0) return new Uint32Array(0)
  const starts = new Uint32Array((text.length >> 2) + 1)
  let count = 0
  for (let i = 0; ; i += 1) {
    const start = i
    if (text[i] !== QUOTE || TAG[text[i + 1] ?? 0] !== 2) return undefined
    for (i += 2; TAG[text[i] ?? 0] !== 0;) i += 1
    if (text[i] !== QUOTE || i - start - 1 > LONGEST) return undefined
    starts[count++] = start
    i += 1
    if (i === text.length) return starts.subarray(0, count)
    if (text[i] !== COMMA) return undefined
  }
}

/** The quote at the end of a tag comes before all that may go on there. */
function compare(text: Buffer, a: number, b: number): number {
  for (let i = 1; ; i++) {
    const byte = text[a + i]!
    const other = text[b + i]!
    if (byte !== other) return byte - other
    if (byte === QUOTE) return 0
  }
}

type Compare = (a: number, b: number) => number

/** Sorts in place what may be in order in large parts. @returns 'in order' when it was, and had nothing twice */
function sort(values: Uint32Array, compare: Compare): Uint32Array | 'in order' {
  const { length } = values
  /** Where the parts begin that are in order. */
  let parts = [0]
  let isInOrder = true
  for (let i = 1; i < length; i++) {
    const order = compare(values[i - 1]!, values[i]!)
    if (order >= 0) isInOrder = false
    if (order > 0) parts.push(i)
  }
  if (isInOrder) return 'in order'
  const spare = new Uint32Array(length)
  while (parts.length > 1) {
    const merged: number[] = []
    for (let i = 0; i < parts.length; i += 2) {
      merged.push(parts[i]!)
      const middle = parts[i + 1]
      if (middle !== undefined) merge(values, parts[i]!, middle, parts[i + 2] ?? length, spare, compare)
    }
    parts = merged
  }
  return values
}

/** Merges two parts that follow each other. What is in place at their ends is not moved. */
function merge(
  values: Uint32Array,
  from: number,
  middle: number,
  end: number,
  spare: Uint32Array,
  compare: Compare,
): void {
  const first = values[middle]!
  const last = values[middle - 1]!
  let at = firstWhere(from, middle, (i) => compare(values[i]!, first) > 0)
  const until = firstWhere(middle, end, (i) => compare(values[i]!, last) >= 0)
  const left = middle - at
  spare.set(values.subarray(at, middle))
  let right = middle
  for (let i = 0; i < left;) {
    const isRight = right < until && compare(values[right]!, spare[i]!) < 0
    values[at++] = isRight ? values[right++]! : spare[i++]!
  }
}

/** The first index from `low` on that `is` holds for, as for all after it; `high` when there is none. */
function firstWhere(low: number, high: number, is: (index: number) => boolean): number {
  while (low < high) {
    const middle = (low + high) >> 1
    if (is(middle)) high = middle
    else low = middle + 1
  }
  return low
}

/** The tags in this order, each once. Those that follow each other in the text, too, are copied together. */
function gather(text: Buffer, starts: Uint32Array): Buffer {
  const gathered = Buffer.allocUnsafeSlow(text.length)
  let length = 0
  let from = 0
  let to = 0
  const copy = (): void => {
    if (length > 0) gathered[length++] = COMMA
    length += text.copy(gathered, length, from, to)
  }
  for (let i = 0; i < starts.length; i++) {
    const start = starts[i]!
    if (i > 0 && compare(text, starts[i - 1]!, start) === 0) continue
    if (start !== to + 1 || i === 0) {
      if (i > 0) copy()
      from = start
    }
    to = text.indexOf(QUOTE, start + 1) + 1
  }
  copy()
  return gathered.subarray(0, length)
}
