const SLASH = '/'.charCodeAt(0)

/**
 * Compiles a pattern of names with slashes. `*` matches any characters up to the next slash, or none; `**`
 * also crosses slashes. Nothing else is special.
 *
 * A match takes time proportional to the text times the stars: there is no backtracking.
 */
export function glob(pattern: string): (text: string) => boolean {
  const [head = '', ...pieces] = pattern.split(/(\*+)/)
  const tail = pieces.pop()
  if (tail === undefined) return (text) => text === head
  return (text) => {
    const end = text.length - tail.length
    return (
      head.length <= end &&
      text.startsWith(head) &&
      text.endsWith(tail) &&
      (pieces.length === 1
        ? starMatches(pieces[0]!, text, head.length, end)
        : reaches(end, head.length, text, pieces))
    )
  }
}

/** The common case of one star, which needs no table. */
function starMatches(star: string, text: string, start: number, end: number): boolean {
  if (star.length > 1) return true
  const slash = text.indexOf('/', start)
  return slash < 0 || slash >= end
}

/**
 * Whether `pieces` match `text` from `start` to `end`. Tracks every position where the pieces so far can end.
 */
function reaches(end: number, start: number, text: string, pieces: readonly string[]): boolean {
  const reached = new Uint8Array(text.length + 1)
  reached[start] = 1
  for (const piece of pieces) {
    if (piece.startsWith('*')) passStar(reached, text, piece.length === 1)
    else passLiteral(reached, text, piece)
  }
  return reached[end] === 1
}

function passStar(reached: Uint8Array, text: string, stopsAtSlash: boolean): void {
  for (let i = 0; i < text.length; i++) {
    if (reached[i] === 1 && !(stopsAtSlash && text.charCodeAt(i) === SLASH)) reached[i + 1] = 1
  }
}

function passLiteral(reached: Uint8Array, text: string, literal: string): void {
  // Backwards, so that a position is read before it is written.
  for (let end = text.length; end >= 0; end--) {
    const begin = end - literal.length
    reached[end] = begin >= 0 && reached[begin] === 1 && text.startsWith(literal, begin) ? 1 : 0
  }
}
