import { inTurn } from './in-turn.ts'
import { load } from './measure.ts'
import { type Add, ofOwn } from './report.ts'
import type { System } from './systems.ts'

export interface RequestRate {
  readonly what: string
  readonly path: string
  readonly connections: number
  /** Requests per second that are wanted of Entrepot. */
  readonly least?: number
}

/** Requests per second, and their answer times, for something small that every system has. */
export async function requestRate(
  add: Add,
  systems: readonly System[],
  { what: small, path, connections, least }: RequestRate,
): Promise<void> {
  const measured = await inTurn(systems, 3, ({ url }, round) =>
    load(url + path, connections, round === 0 ? 1 : 2),
  )
  const what = `${small}, ${connections} connections`
  for (const [{ name }, values] of measured) {
    const rates = values.map(({ perSecond }) => perSecond)
    const slowest = values.map(({ p99 }) => p99)
    add(what, name, rates, '/s', ofOwn(name, least === undefined ? undefined : { least }))
    add(`${what}: p99`, name, slowest, 'ms')
  }
}
