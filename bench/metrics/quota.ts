import { createHash } from 'node:crypto'
import { Agent, get } from 'node:http'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { proxyProcess } from '../../test/e2e/support/proxy-process.ts'
import { start } from '../../test/e2e/support/processes.ts'
import { seededRandom } from '../../test/support/seeded-random.ts'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { lruTrace } from '../support/lru-trace.ts'
import { manyBlobs } from '../support/many-blobs.ts'
import { type Add, OWN } from '../support/report.ts'

const MiB = 1024 * 1024
const MAX_SIZE = 256 * MiB
const WORKING_SET = 3 * MAX_SIZE
const CLIENTS = 16
/** Of requests over blobs, as web caches see it (Breslau et al., INFOCOM 1999). */
const ZIPF = 0.8
const UPSTREAM = fileURLToPath(new URL('../support/many-blobs-upstream.ts', import.meta.url))

/** Load at the quota, for ten minutes or `MINUTES=2`: what is committed, what fails, and what an ideal LRU would have hit. */
export async function quota(add: Add): Promise<void> {
  const minutes = Number(process.env['MINUTES'] ?? 10)
  const { digests, sizes } = manyBlobs(WORKING_SET)
  await using folder = await tempFolder()
  await using upstream = start(process.execPath, [UPSTREAM, String(WORKING_SET)])
  const port = await upstream.line((line) => (JSON.parse(line) as { port?: number }).port)
  await using proxy = await proxyProcess(folder.path, `http://127.0.0.1:${port}`, {
    log: { access: false },
    storage: { root: './data', minFree: 0, maxSize: MAX_SIZE },
  })
  const ideal = lruTrace(MAX_SIZE)
  const pick = zipf(digests.length)
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
  const counts = { pulls: 0, hits: 0, bytes: 0, hitBytes: 0, failed: 0, problem: '' }
  const end = performance.now() + minutes * 60_000

  const client = async () => {
    while (performance.now() < end) {
      const number = pick()
      const size = sizes[number]!
      ideal.request(number, size)
      const { digest, status } = await pull(agent, `${proxy.url}/v2/library/app/blobs/${digests[number]}`)
      counts.pulls += 1
      counts.bytes += size
      if (digest !== digests[number]) {
        counts.failed += 1
        counts.problem = status
      }
      if (/; hit|collapsed/.test(status)) {
        counts.hits += 1
        counts.hitBytes += size
      }
    }
  }
  let most = 0
  const watch = async () => {
    for (; performance.now() < end; await sleep(25)) most = Math.max(most, await committed(proxy.adminUrl))
  }
  await Promise.all([watch(), ...Array.from({ length: CLIENTS }, client)])
  agent.destroy()

  if (counts.failed > 0) console.error(`the last that failed: ${counts.problem}`)
  const more = 100 * (counts.hits / counts.pulls - ideal.hits)
  const moreBytes = 100 * (counts.hitBytes / counts.bytes - ideal.byteHits)
  const what = `${CLIENTS} clients, 768 MiB through a store of 256 MiB, ${minutes} min`
  add(`${what}: pulls`, OWN, [counts.pulls], '')
  add(`${what}: failed`, OWN, [counts.failed], '', { most: 0 })
  add(`${what}: committed at most`, OWN, [most / MAX_SIZE], '× maxSize', { most: 1 })
  add(`${what}: hits`, OWN, [(100 * counts.hits) / counts.pulls], '%')
  add(`${what}: hits`, 'an ideal LRU', [100 * ideal.hits], '%')
  add(`${what}: more hits than an ideal LRU`, OWN, [more], 'points', { least: -5 })
  add(`${what}: more bytes hit`, OWN, [moreBytes], 'points')
  add(`${what}: memory at most`, OWN, [await proxy.peakMemory()], 'MiB')
}

function pull(agent: Agent, url: string): Promise<{ readonly digest: string; readonly status: string }> {
  return new Promise((resolve) => {
    const failed = (error: Error) => resolve({ digest: '', status: error.message })
    const request = get(url, { agent }, (response) => {
      const hash = createHash('sha256')
      const status = `${response.statusCode} ${response.headers['cache-status']}`
      response.on('data', (chunk: Buffer) => hash.update(chunk))
      response.once('end', () => resolve({ digest: `sha256:${hash.digest('hex')}`, status }))
      response.once('error', failed)
    })
    request.once('error', failed)
  })
}

async function committed(adminUrl: string): Promise<number> {
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text()
  return Number(/^entrepot_store_bytes (\S+)$/m.exec(metrics)?.[1])
}

/** Numbers below `count`; which of them are popular has nothing to do with their order. */
function zipf(count: number): () => number {
  const random = seededRandom(2)
  const order = Array.from({ length: count }, (_, number) => ({ number, key: random.next() })).toSorted(
    (a, b) => a.key - b.key,
  )
  let sum = 0
  const cumulated = order.map((_, rank) => (sum += 1 / (rank + 1) ** ZIPF))
  return () => {
    const at = random.next() * sum
    const rank = cumulated.findIndex((edge) => edge > at)
    return order[rank]!.number
  }
}
