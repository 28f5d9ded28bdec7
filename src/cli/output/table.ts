/** The first column is shortened until the lines fit; the others are aligned to the right, but for `left`. */
export interface TableOptions {
  /** Of the terminal; undefined = as wide as it comes. */
  readonly columns?: number | undefined
  /** Which columns are aligned to the left, beside the first. */
  readonly left?: readonly number[]
}

const GAP = '  '
const LEAST = 20

/** Lines of cells, of which every row has as many as the first. */
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

/** Out of the middle: the registry and the tag tell more than what is between them. */
function shorten(text: string, width: number): string {
  if (text.length <= width) return text
  const end = Math.floor((width - 1) / 2)
  return `${text.slice(0, width - 1 - end)}…${text.slice(text.length - end)}`
}
