import { inTurn } from './in-turn.ts'
import { pullMany } from './measure.ts'
import { type Add, ofOwn, type Wanted } from './report.ts'
import type { System } from './systems.ts'

export interface WarmBlob {
  readonly what: string
  readonly path: string
  /** In bytes. */
  readonly size: number
  readonly clients: number
  readonly rounds: number
  /** Rounds before them. */
  readonly uncounted?: number
  /** Of Entrepot, in seconds of server CPU per GB. */
  readonly cost?: Wanted
}

/** Speed, and what it costs the server, of a blob that is in the store of every system. @returns GB/s by the name of the system */
export async function warmBlob(
  add: Add,
  systems: readonly System[],
  { what: blob, path, size, clients, rounds, uncounted, cost: wanted }: WarmBlob,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const gigabytes = (clients * size) / 1e9
  const measure = async (system: System) => {
    const before = await system.cpu()
    const seconds = await pullMany(clients, system.url + path)
    return { speed: gigabytes / seconds, cost: ((await system.cpu()) - before) / gigabytes }
  }
  const what = `${blob}, ${clients} ${clients === 1 ? 'client' : 'clients'}`
  const speeds = new Map<string, readonly number[]>()
  for (const [{ name }, values] of await inTurn(systems, rounds, measure, uncounted)) {
    const all = values.map(({ speed }) => speed)
    const costs = values.map(({ cost }) => cost)
    add(what, name, all, 'GB/s')
    add(`${what}: server CPU`, name, costs, 's/GB', ofOwn(name, wanted))
    speeds.set(name, all)
  }
  return speeds
}
