import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { load, pull } from '../support/measure.ts'
import { numberedBlobs } from '../support/numbered-blobs.ts'
import { type Add, median, OWN } from '../support/report.ts'
import { benchUpstream, entrepotSystem, missingHere, type System } from '../support/systems.ts'

const ROUNDS = 3
const SECONDS = 2
const IDLE = { few: 10, many: 10_000 }
const TRANSFERS = { few: 1, many: 1_000 }
const KiB = 1024

/** What a warm manifest costs while few and while many connections do nothing, or wait for downloads that do not go on. */
export async function growth(add: Add): Promise<void> {
  if (missingHere('wrk')) return
  await using folder = await tempFolder()
  await using upstream = await benchUpstream(1)
  await using stalling = await numberedBlobs(TRANSFERS.many, 64 * KiB, 4 * KiB)
  const most = 2 * IDLE.many
  await using entrepot = await entrepotSystem(folder.path, upstream.url, {
    listen: { host: '127.0.0.1', port: 0, maxConnections: most, maxConnectionsPerAddress: most },
    upstreams: {
      'docker.io': { url: upstream.url },
      'ghcr.io': { url: stalling.url, maxTransfers: TRANSFERS.many, timeouts: { idle: '10m' } },
    },
  })
  const manifest = `${entrepot.url}/v2/library/app/manifests/${upstream.manifest}`
  await pull(manifest)
  await grow(add, entrepot, manifest, {
    what: 'idle connections',
    few: IDLE.few,
    paths: Array.from({ length: IDLE.many }, () => '/v2/'),
  })
  await grow(add, entrepot, manifest, {
    what: 'running transfers',
    few: TRANSFERS.few,
    paths: stalling.paths.map((path) => path.replace('/v2/', '/v2/ghcr.io/')),
  })
}

interface Growth {
  readonly what: string
  readonly few: number
  /** What each of the connections asks for; none of them asks for more. */
  readonly paths: readonly string[]
}

async function grow(
  add: Add,
  entrepot: System,
  manifest: string,
  { what, few, paths }: Growth,
): Promise<void> {
  const sockets: Socket[] = []
  const medians: number[] = []
  for (const count of [few, paths.length]) {
    while (sockets.length < count) {
      const next = paths.slice(sockets.length, Math.min(count, sockets.length + 100))
      sockets.push(...(await Promise.all(next.map((path) => held(entrepot.url, path)))))
    }
    // What opening them left behind is not what they cost.
    await load(manifest, 16, 1)
    const rates: number[] = []
    const slowest: number[] = []
    const costs: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const before = await entrepot.cpu()
      const { perSecond, p99, requests } = await load(manifest, 16, SECONDS)
      rates.push(perSecond)
      slowest.push(p99)
      costs.push((((await entrepot.cpu()) - before) / requests) * 1e6)
    }
    const lost = sockets.filter(({ closed }) => closed).length
    if (lost > 0) throw new Error(`${lost} of ${count} ${what} are gone`)
    const title = `warm manifest, ${count} ${what}`
    add(title, OWN, rates, '/s')
    add(`${title}: p99`, OWN, slowest, 'ms')
    add(`${title}: server CPU`, OWN, costs, 'µs each')
    medians.push(median(costs))
  }
  for (const socket of sockets) socket.destroy()
  const [before, after] = medians
  add(`warm manifest, ${paths.length} ${what}: server CPU against ${few}`, OWN, [after! / before!], '×', {
    most: 1.1,
  })
}

/** A connection on which an answer has begun, and that stays open. */
async function held(url: string, path: string): Promise<Socket> {
  const { hostname, port, host } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  const [head] = (await once(socket, 'data')) as [Buffer]
  if (!head.toString('latin1').startsWith('HTTP/1.1 200')) throw new Error(`${path}: ${head}`)
  return socket.resume()
}
