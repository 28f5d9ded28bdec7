/**
 * Whether a name with slashes is meant by a pattern: `*` stands for any characters or none up to the next slash, `**` for any
 * with slashes, and nothing else is special.
 */
export function namePattern(pattern: string): (name: string) => boolean {
  const source = pattern
    .split(/(\*+)/)
    .map((piece) => (piece === '*' ? '[^/]*' : piece.startsWith('*') ? '.*' : RegExp.escape(piece)))
    .join('')
  const expression = new RegExp(`^${source}$`, 's')
  return (name) => expression.test(name)
}
