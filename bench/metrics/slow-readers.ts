import { setTimeout as sleep } from 'node:timers/promises'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { download } from '../support/download.ts'
import { pull, touchMemory } from '../support/measure.ts'
import { type Add, ofOwn } from '../support/report.ts'
import { benchUpstream, entrepotSystem, peers, type System } from '../support/systems.ts'

const CLIENTS = 1_000
const SECONDS = 15
const RATE = 256 * 1024

/** Many clients that read one blob slower than it could be sent, and many that have stopped reading it. */
export async function slowReaders(add: Add): Promise<void> {
  await using upstream = await benchUpstream(64)
  await using folder = await tempFolder()
  const path = `/v2/library/app/blobs/${upstream.large}`
  const what = `${CLIENTS} readers of one blob`
  await using stack = new AsyncDisposableStack()
  const systems = [
    stack.use(await entrepotSystem(`${folder.path}/entrepot`, upstream.url)),
    ...(await peers(folder.path, upstream.url)).map((peer) => stack.use(peer)),
  ]
  for (const system of systems) {
    const { name, url } = system
    const limit = (wanted: { least?: number; most?: number }) => ofOwn(name, wanted)
    await pull(url + path)
    // For the buffers of the sockets, some gigabytes. A guest gives back within seconds what it does not use,
    // and whoever is measured first would wait for it: with 3 GiB docker-registry delivered 0.73 to 0.80
    // instead of 0.95.
    await touchMemory(8)
    const order = { url: url + path, clients: CLIENTS, compareWith: upstream.size }
    const reading = download({ ...order, bytesPerSecond: RATE, seconds: SECONDS })
    const p99 = await pingUntil(reading, system)
    const { received, firsts } = await reading
    if (firsts.length < CLIENTS) throw new Error(`only ${firsts.length} of ${CLIENTS} got anything`)
    const shares = received.map((bytes) => bytes / Math.min(upstream.size, RATE * SECONDS))
    const mean = shares.reduce((sum, share) => sum + share, 0) / CLIENTS
    add(`${what} at 256 KiB/s: delivered`, name, [mean], '×', limit({ least: 0.99 }))
    add(`${what} at 256 KiB/s: the slowest`, name, [Math.min(...shares)], '×', limit({ least: 0.95 }))
    add(`${what} at 256 KiB/s: /v2/ meanwhile, p99`, name, [p99], 'ms', limit({ most: 50 }))
    add(`${what} at 256 KiB/s: memory at most`, name, [await system.peak()], 'MiB', limit({ most: 384 }))
  }
  const idle = stack.use(await entrepotSystem(`${folder.path}/idle`, upstream.url))
  await pull(idle.url + path)
  // One piece in 16 seconds.
  await download({ url: idle.url + path, clients: CLIENTS, bytesPerSecond: 1024, seconds: SECONDS })
  add(`${what} that stand still: memory at most`, idle.name, [await idle.peak()], 'MiB', { most: 256 })
}

/** @returns the 99th percentile of answer times in milliseconds, until `done` is */
async function pingUntil(done: Promise<unknown>, { url }: System): Promise<number> {
  const times: number[] = []
  const over = done.then(
    () => true,
    () => true,
  )
  while (!(await Promise.race([over, sleep(20, false)]))) {
    const begun = performance.now()
    await (await fetch(`${url}/v2/`)).arrayBuffer()
    times.push(performance.now() - begun)
  }
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN
}
