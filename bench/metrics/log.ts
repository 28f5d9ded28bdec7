import { join } from 'node:path'
import { proxyProcess } from '../../test/e2e/support/proxy-process.ts'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { inTurn } from '../support/in-turn.ts'
import { load, pull, touchMemory } from '../support/measure.ts'
import { type Add, OWN } from '../support/report.ts'
import {
  benchUpstream,
  entrepotSystem,
  entrepotWithoutLog,
  missingHere,
  type System,
  systemOf,
} from '../support/systems.ts'

/** A process differs from the next by a twentieth, for as long as it runs. */
const PROCESSES = 3
const ROUNDS = 3

/** What the log of requests costs a warm manifest, to a file and to a pipe that somebody reads, as shipped. */
export async function log(add: Add): Promise<void> {
  if (missingHere('wrk')) return
  await using folder = await tempFolder()
  await using upstream = await benchUpstream(1)
  // The page cache takes what is logged to a file, 20 MB a second.
  await touchMemory(2)
  const path = `/v2/library/app/manifests/${upstream.manifest}`
  const cpuOf = async ({ url, cpu }: System): Promise<number> => {
    const before = await cpu()
    const { requests } = await load(url + path, 16, 2)
    return (((await cpu()) - before) / requests) * 1e6
  }
  const all = new Map<string, number[]>()
  for (let process = 0; process < PROCESSES; process++) {
    await using stack = new AsyncDisposableStack()
    const systems: System[] = []
    for (const start of [withoutLog, toFile, toPipe]) {
      const system = stack.use(await start(join(folder.path, `${start.name}${process}`), upstream.url))
      await pull(system.url + path)
      systems.push(system)
    }
    for (const [{ name }, values] of await inTurn(systems, ROUNDS, cpuOf, 2)) {
      all.set(name, [...(all.get(name) ?? []), ...values])
    }
  }
  const [off] = all.values()
  for (const [name, values] of all) {
    add('warm manifest: CPU', name, values, 'µs')
    if (values !== off)
      add(
        `${name}: CPU against none`,
        OWN,
        values.map((value, i) => value / off![i]!),
        '×',
        { most: 1.1 },
      )
  }
}

const withoutLog = entrepotWithoutLog

async function toFile(folder: string, upstream: string): Promise<System> {
  return { ...(await entrepotSystem(folder, upstream)), name: `${OWN}, log to a file` }
}

/** A reader that costs little, as that of a container engine: one that parses takes a processor from wrk. */
async function toPipe(folder: string, upstream: string): Promise<System> {
  const { url, program } = await proxyProcess(
    folder,
    upstream,
    {},
    { logFile: join(folder, 'log'), logPipe: true },
  )
  return systemOf(`${OWN}, log to a pipe`, url, program)
}
