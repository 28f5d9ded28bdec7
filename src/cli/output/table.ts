export interface TableOptions {
  /** The width of the terminal; undefined = unlimited. */
  readonly columns?: number | undefined
  /** Columns aligned to the left, besides the first. */
  readonly left?: readonly number[]
}

const GAP = '  '
const LEAST = 20

/**
 * Formats rows that have equally many cells. Shortens the first column until the lines fit; aligns the others
 * to the right, except those in `left`.
 */
export function table(
  rows: readonly (readonly string[])[],
  { columns, left = [] }: TableOptions = {},
): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]!.length)))
  const others = widths.slice(1).reduce((sum, width) => sum + GAP.length + width, 0)
  const first = Math.min(widths[0] ?? 0, Math.max(LEAST, (columns ?? Infinity) - others))
  const line = ([name = '', ...cells]: readonly string[]): string =>
    [
      shorten(name, first).padEnd(first),
      ...cells.map((cell, i) =>
        left.includes(i + 1) ? cell.padEnd(widths[i + 1]!) : cell.padStart(widths[i + 1]!),
      ),
    ]
      .join(GAP)
      .trimEnd()
  return rows.map((row) => `${line(row)}\n`).join('')
}

/** Cuts the middle: the registry and the tag say more than what is between them. */
function shorten(text: string, width: number): string {
  if (text.length <= width) return text
  const end = Math.floor((width - 1) / 2)
  return `${text.slice(0, width - 1 - end)}…${text.slice(text.length - end)}`
}
