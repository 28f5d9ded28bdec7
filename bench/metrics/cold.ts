import { run } from '../../test/e2e/support/processes.ts'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { download } from '../support/download.ts'
import { touchMemory } from '../support/measure.ts'
import { type NumberedBlobs, numberedBlobs } from '../support/numbered-blobs.ts'
import { type Add, ofOwn } from '../support/report.ts'
import { entrepotSystem, peers, type System } from '../support/systems.ts'

const ROUNDS = 5
const MANY = [16, 50]
const SIZE = 128 * 1024 * 1024
/** Pulls after which a process has what it needs, its code compiled. */
const EARLY = 5
/** Pulls of one client in a round: what else the machine does changes one by a tenth. */
const PULLS = 3

/** How long clients that ask together wait for a large blob which nobody had, and what that takes from upstream. */
export async function cold(add: Add): Promise<void> {
  const results: Result[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await touchMemory(3)
    await using folder = await tempFolder()
    await using upstream = await numberedBlobs(EARLY + PULLS + MANY.length, SIZE)
    await using stack = new AsyncDisposableStack()
    const systems = [
      stack.use(await entrepotSystem(`${folder.path}/entrepot`, upstream.url)),
      ...(await peers(folder.path, upstream.url)).map((peer) => stack.use(peer)),
    ]
    const paths = upstream.paths.values()
    let asked = 0
    const ask = async (what: string, clients: number): Promise<void> => {
      const path = paths.next().value!
      asked += 1
      for (const system of inTurn(systems, round + asked)) {
        results.push(await coldBlob(upstream, system, path, what, clients))
      }
    }
    await ask('first pull of a process', 1)
    await ask('second pull of a process', 1)
    for (let pull = 2; pull < EARLY; pull++) await ask('warm-up', 1)
    // What a server that has been running for a while takes.
    for (const clients of [...Array<number>(PULLS).fill(1), ...MANY]) {
      // Nobody pays for what was written so far.
      await run('sync', [])
      await ask(titleOf(clients), clients)
    }
  }
  for (const [what, all] of Map.groupBy(results, ({ what }) => what)) {
    if (what === 'warm-up') continue
    for (const [system, values] of Map.groupBy(all, ({ name }) => name)) {
      const seconds = values.map((value) => value.seconds)
      const shares = values.map(({ share }) => share)
      add(`cold 128 MiB blob, ${what}: until all have it`, system, seconds, 's')
      add(
        `cold 128 MiB blob, ${what}: upstream bytes`,
        system,
        shares,
        '× the blob',
        ofOwn(system, { most: 1.005 }),
      )
    }
  }
}

/** Each is the first of them in turn. */
function inTurn<T>(all: readonly T[], round: number): T[] {
  const at = round % all.length
  return [...all.slice(at), ...all.slice(0, at)]
}

interface Result {
  readonly what: string
  readonly name: string
  readonly seconds: number
  /** Of the blob, that upstream sent. */
  readonly share: number
}

async function coldBlob(
  upstream: NumberedBlobs,
  { name, url }: System,
  path: string,
  what: string,
  clients: number,
): Promise<Result> {
  const { sent } = await upstream.settled()
  const { seconds } = await download({ url: url + path, clients })
  return { what, name, seconds, share: ((await upstream.settled()).sent - sent) / SIZE }
}

function titleOf(clients: number): string {
  return `${clients} ${clients === 1 ? 'client' : 'clients'}`
}
