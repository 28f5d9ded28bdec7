import { tempFolder } from '../../test/support/temp-folder.ts'
import { download } from '../support/download.ts'
import { pull, touchMemory } from '../support/measure.ts'
import { type NumberedBlobs, numberedBlobs } from '../support/numbered-blobs.ts'
import { type Add, ofOwn } from '../support/report.ts'
import { entrepotSystem, peers, type System } from '../support/systems.ts'

const ROUNDS = 3
const CLIENTS = [1, 16, 50]
const SIZE = 128 * 1024 * 1024

/** How long clients that ask together wait for a large blob which nobody had, and what that takes from upstream. */
export async function cold(add: Add): Promise<void> {
  const results: Result[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await touchMemory(3)
    await using folder = await tempFolder()
    await using upstream = await numberedBlobs(CLIENTS.length + 1, SIZE)
    await using stack = new AsyncDisposableStack()
    const systems = [
      stack.use(await entrepotSystem(`${folder.path}/entrepot`, upstream.url)),
      ...(await peers(folder.path, upstream.url)).map((peer) => stack.use(peer)),
    ]
    // What a server that has been running for a while takes.
    for (const { url } of systems) await pull(url + upstream.paths.at(-1)!)
    for (const [number, clients] of CLIENTS.entries()) {
      for (const system of systems) {
        results.push(await coldBlob(upstream, system, upstream.paths[number]!, clients))
      }
    }
  }
  for (const [what, all] of Map.groupBy(results, ({ clients }) => titleOf(clients))) {
    for (const [system, values] of Map.groupBy(all, ({ name }) => name)) {
      const seconds = values.map((value) => value.seconds)
      const shares = values.map(({ share }) => share)
      add(`${what}: until all have it`, system, seconds, 's')
      add(`${what}: upstream bytes`, system, shares, '× the blob', ofOwn(system, { most: 1.005 }))
    }
  }
}

interface Result {
  readonly name: string
  readonly clients: number
  readonly seconds: number
  /** Of the blob, that upstream sent. */
  readonly share: number
}

async function coldBlob(
  upstream: NumberedBlobs,
  { name, url }: System,
  path: string,
  clients: number,
): Promise<Result> {
  const { sent } = await upstream.settled()
  const { seconds } = await download({ url: url + path, clients })
  return { name, clients, seconds, share: ((await upstream.settled()).sent - sent) / SIZE }
}

function titleOf(clients: number): string {
  return `cold 128 MiB blob, ${clients} ${clients === 1 ? 'client' : 'clients'}`
}
