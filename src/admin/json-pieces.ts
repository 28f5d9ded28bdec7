import { yieldEvery } from '../util/async/yield-every.ts'

/** Characters of a piece, roughly. */
const PIECE = 16 * 1024

/**
 * The JSON text of an object, in pieces that are made when they are wanted: a long list takes neither the
 * memory nor the time of others. Iterables become arrays.
 */
export function jsonPieces(value: object): ReadableStream<Uint8Array> {
  return ReadableStream.from(pieces(value))
}

async function* pieces(value: object): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  const pause = yieldEvery()
  let piece = ''
  for (const text of texts(value)) {
    piece += text
    if (piece.length < PIECE) continue
    yield encoder.encode(piece)
    piece = ''
    await pause()
  }
  yield encoder.encode(piece)
}

function* texts(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) {
    yield JSON.stringify(value)
  } else if (isIterable(value)) {
    let separator = '['
    for (const element of value) {
      yield separator
      yield* texts(element)
      separator = ','
    }
    yield separator === '[' ? '[]' : ']'
  } else {
    let separator = '{'
    for (const [key, member] of Object.entries(value)) {
      if (member === undefined) continue
      yield `${separator}${JSON.stringify(key)}:`
      yield* texts(member)
      separator = ','
    }
    yield separator === '{' ? '{}' : '}'
  }
}

function isIterable(value: object): value is Iterable<unknown> {
  return Symbol.iterator in value
}
