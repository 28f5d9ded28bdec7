import { type JsonObject, parseJsonObject } from '../util/json-object.ts'

/**
 * What one manifest may hold. Real ones stay far below; what is above holds everybody up while it is parsed
 * (SEC-73).
 */
export const MANIFEST_LIMITS: Limits = {
  /** Elements of its lists: layers, manifests and the like. */
  references: 10_000,
  /** Objects and arrays within each other. */
  nesting: 64,
  /** All values in it. */
  values: 100_000,
}

type Limits = Readonly<Record<'references' | 'nesting' | 'values', number>>

/** Parses a manifest. @returns undefined when it is no JSON object, or exceeds a limit */
export function parseManifest(body: Buffer): JsonObject | undefined {
  return excessIn(body) === undefined ? parseJsonObject(body) : undefined
}

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_LIST = 0x5b
const BACKSLASH = 0x5c
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
/** Whether a byte outside of strings is one of those that count. */
const MARKS = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number([QUOTE, COMMA, OPEN_LIST, OPEN_OBJECT, CLOSE_LIST, CLOSE_OBJECT].includes(byte)),
)

/**
 * The limit that a JSON text exceeds, as a reason; undefined when it exceeds none. Reads the bytes once, and
 * does not check whether they are JSON.
 */
export function excessIn(body: Buffer, limits: Partial<Limits> = MANIFEST_LIMITS): string | undefined {
  const { references: mostReferences = Infinity, nesting = Infinity, values: mostValues = Infinity } = limits
  let depth = 0
  let isInList = false
  let references = 0
  let values = 0
  for (let i = 0; i < body.length; i++) {
    while (i < body.length && MARKS[body[i]!] === 0) i += 1
    switch (body[i]) {
      case QUOTE:
        i = endOfString(body, i + 1)
        break
      case COMMA:
        values += 1
        break
      case OPEN_LIST:
      case OPEN_OBJECT:
        values += 1
        depth += 1
        if (depth === 2) isInList = body[i] === OPEN_LIST
        if (depth === 3 && isInList) references += 1
        if (depth > nesting) return `a nesting deeper than ${nesting}`
        if (references > mostReferences) return `more than ${mostReferences} references`
        break
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        depth -= 1
        break
    }
    if (values > mostValues) return `more than ${mostValues} JSON values`
  }
  return undefined
}

/** Bytes of a text after which it pays to search the rest of it natively. */
const SHORT = 64

/** The position of the quote that ends the string which goes on at `from`, or the length of the body. */
export function endOfString(body: Buffer, from: number): number {
  for (let i = from; ;) {
    for (const end = Math.min(i + SHORT, body.length); i < end && body[i] !== QUOTE; i++)
      if (body[i] === BACKSLASH) i += 1
    if (i >= body.length || body[i] === QUOTE) return i
    // The quote ends the string unless an odd number of backslashes stands before it.
    const quote = body.indexOf(QUOTE, i)
    if (quote === -1) return body.length
    let first = quote
    while (first > i && body[first - 1] === BACKSLASH) first -= 1
    if ((quote - first) % 2 === 0) return quote
    i = quote + 1
  }
}
