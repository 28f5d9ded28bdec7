import { tempFolder } from '../../test/support/temp-folder.ts'
import { load, pull, pullMany, touchMemory } from '../support/measure.ts'
import { type Add, OWN, type Wanted } from '../support/report.ts'
import { benchUpstream, entrepotSystem, missingHere, peers, type System } from '../support/systems.ts'

const ROUNDS = 5

/** What is in the store, from every system in turn. */
export async function warm(add: Add): Promise<void> {
  await touchMemory(3)
  await using folder = await tempFolder()
  await using upstream = await benchUpstream(512)
  await using stack = new AsyncDisposableStack()
  const systems = [
    stack.use(await entrepotSystem(`${folder.path}/entrepot`, upstream.url)),
    ...(await peers(folder.path, upstream.url)).map((peer) => stack.use(peer)),
  ]
  const blob = `/v2/library/app/blobs/${upstream.large}`
  for (const { url } of systems) await pull(url + blob)
  await largeBlob(add, systems, blob, upstream.size, 1)
  await largeBlob(add, systems, blob, upstream.size, 8)
  if (missingHere('wrk')) return
  await small(add, systems, 'manifest by digest', `/v2/library/app/manifests/${upstream.manifest}`, 35_000)
  await small(add, systems, 'tag', '/v2/library/app/manifests/latest', 35_000)
  await small(add, systems, '233-byte blob', `/v2/library/app/blobs/${upstream.small}`, 30_000)
}

async function largeBlob(
  add: Add,
  systems: readonly System[],
  blob: string,
  size: number,
  clients: number,
): Promise<void> {
  const gigabytes = (clients * size) / 1e9
  const measured = await inTurn(systems, ROUNDS, async (system) => {
    const before = await system.cpu()
    const seconds = await pullMany(clients, system.url + blob)
    return { speed: gigabytes / seconds, cost: ((await system.cpu()) - before) / gigabytes }
  })
  for (const [{ name }, values] of measured) {
    const what = `warm 512 MiB blob, ${clients} ${clients === 1 ? 'client' : 'clients'}`
    const most = own(name, { most: 0.25 })
    add(
      what,
      name,
      values.map(({ speed }) => speed),
      'GB/s',
    )
    add(
      `${what}: server CPU`,
      name,
      values.map(({ cost }) => cost),
      's/GB',
      most,
    )
  }
}

async function small(
  add: Add,
  systems: readonly System[],
  what: string,
  path: string,
  least: number,
): Promise<void> {
  const measured = await inTurn(systems, 3, ({ url }, round) => load(url + path, 16, round === 0 ? 1 : 3))
  for (const [{ name }, values] of measured) {
    const title = `warm ${what}, 16 connections`
    add(
      title,
      name,
      values.map(({ perSecond }) => perSecond),
      '/s',
      own(name, { least }),
    )
    add(
      `${title}: p99`,
      name,
      values.map(({ p99 }) => p99),
      'ms',
    )
  }
}

/** Round by round, every system once. Round 0 is not counted. */
async function inTurn<T>(
  systems: readonly System[],
  rounds: number,
  measure: (system: System, round: number) => Promise<T>,
): Promise<Map<System, T[]>> {
  const values = new Map(systems.map((system) => [system, [] as T[]]))
  for (let round = 0; round <= rounds; round++) {
    for (const [system, all] of values) {
      const value = await measure(system, round)
      if (round > 0) all.push(value)
    }
  }
  return values
}

function own(name: string, wanted: Wanted): Wanted | undefined {
  return name === OWN ? wanted : undefined
}
