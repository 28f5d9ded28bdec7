import { inTurn } from './in-turn.ts'
import { load } from './measure.ts'
import { type Add, BARE, OWN, type Wanted } from './report.ts'
import type { System } from './systems.ts'

export interface RequestRate {
  readonly what: string
  readonly path: string
  readonly connections: number
}

/** What is wanted of Entrepot, as a multiple of the others' requests per second in the same round. */
const WANTED: Readonly<Record<string, Wanted>> = {
  [BARE]: { least: 0.8 },
  nginx: { least: 0.5 },
  [`${OWN}, log off`]: { least: 0.9 },
}

/** Requests per second, their answer times and their CPU, for something small that every system has. */
export async function requestRate(
  add: Add,
  systems: readonly System[],
  { what: small, path, connections }: RequestRate,
): Promise<void> {
  const measured = await inTurn(systems, 5, async ({ url, cpu }, round) => {
    const before = await cpu()
    const loaded = await load(url + path, connections, round === 0 ? 2 : 1)
    return { ...loaded, cpu: (((await cpu()) - before) / loaded.requests) * 1e6 }
  })
  const what = `${small}, ${connections} connections`
  const rates = new Map<string, readonly number[]>()
  for (const [{ name }, values] of measured) {
    const perSecond = values.map((value) => value.perSecond)
    rates.set(name, perSecond)
    add(what, name, perSecond, '/s')
    add(
      `${what}: p99`,
      name,
      values.map((value) => value.p99),
      'ms',
    )
    add(
      `${what}: server CPU`,
      name,
      values.map((value) => value.cpu),
      'µs',
    )
  }
  for (const [name, theirs] of rates) {
    if (name === OWN) continue
    const ratios = rates.get(OWN)!.map((rate, round) => rate / theirs[round]!)
    add(`${what}: against ${name}`, OWN, ratios, '×', connections === 16 ? WANTED[name] : undefined)
  }
}
