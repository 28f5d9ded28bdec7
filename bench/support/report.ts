import { mkdir, readFile, writeFile } from 'node:fs/promises'

export interface Row {
  /** As it is called on the command line. */
  readonly metric: string
  readonly what: string
  readonly system: string
  readonly unit: string
  /** The median of `all`, one value a round. */
  readonly value: number
  readonly all: readonly number[]
  /** What the design asks of Entrepot; of each round's value where it is a limit, of the median otherwise. */
  readonly wanted?: Wanted
}

export interface Wanted {
  readonly least?: number
  readonly most?: number
}

export type Add = (
  what: string,
  system: string,
  all: readonly number[],
  unit: string,
  wanted?: Wanted,
) => void

export const OWN = 'entrepot'
/** A bare `node:http` server. */
export const BARE = 'node:http'

/** What is asked of Entrepot is not asked of its peers. */
export function ofOwn(system: string, wanted: Wanted | undefined): Wanted | undefined {
  return system === OWN ? wanted : undefined
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** One line a figure: median, spread, the ratio to each peer's, and whether it is what the design asks for. */
export function table(rows: readonly Row[]): string {
  const cells = rows.map((row) => {
    const { what, system, value, unit, all } = row
    const spread = all.length > 1 ? `${show(Math.min(...all))} – ${show(Math.max(...all))}` : ''
    return [what, system, `${show(value)} ${unit}`.trimEnd(), spread, ratios(row, rows), verdict(row)]
  })
  const lines = [['what', 'system', 'median', 'spread', 'ratio', 'wanted'], ...cells]
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Writes `<date>.json`; what was measured the same day by other metrics stays in it. */
export async function save(folder: URL, rows: readonly Row[]): Promise<void> {
  const date = new Date().toISOString()
  const file = new URL(`${date.slice(0, 10)}.json`, folder)
  const measured = new Set(rows.map(({ metric }) => metric))
  await mkdir(folder, { recursive: true })
  const earlier = await readFile(file, 'utf8').then(parseRows, (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    return []
  })
  const kept = earlier.filter(({ metric }) => metric !== undefined && !measured.has(metric))
  await writeFile(file, `${JSON.stringify({ date, rows: [...kept, ...rows] }, undefined, 2)}\n`)
}

function parseRows(text: string): readonly Row[] {
  return (JSON.parse(text) as { rows: Row[] }).rows
}

function ratios({ what, system, value }: Row, rows: readonly Row[]): string {
  if (system !== OWN) return ''
  const peers = rows.filter((row) => row.what === what && row.system !== OWN)
  return peers.map((peer) => `${show(value / peer.value)} × ${peer.system}`).join(', ')
}

function verdict({ value, wanted: { least = -Infinity, most = Infinity } = {} }: Row): string {
  if (least === -Infinity && most === Infinity) return ''
  const limit = most === Infinity ? `≥ ${show(least)}` : `≤ ${show(most)}`
  return `${limit} ${value >= least && value <= most ? 'met' : 'MISSED'}`
}

export function show(value: number): string {
  if (!Number.isFinite(value)) return '-'
  if (value === 0) return '0'
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3)
}
