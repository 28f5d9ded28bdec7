import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { proxyProcess } from '../../test/e2e/support/proxy-process.ts'
import type { Program } from '../../test/e2e/support/processes.ts'
import { blobOf } from '../../test/support/fixtures.ts'
import { tempFolder } from '../../test/support/temp-folder.ts'
import { millionObjects } from '../support/million-objects.ts'
import { type Add, median, OWN } from '../support/report.ts'

const OBJECTS = 1_000_000
const EXPIRED = 1_000
const PROBE = fileURLToPath(new URL('../support/stall-probe.ts', import.meta.url))
/** Every ten seconds; nothing else goes on long enough to meet two. */
const SWEEP = '*/10 * * * * *'

/** A store with a million objects: until it answers, its memory, and what a sweep costs those who pull meanwhile. */
export async function million(add: Add): Promise<void> {
  await using folder = await tempFolder()
  const warm = blobOf(64 * 1024, 9)
  await millionObjects(`${folder.path}/data`, OBJECTS, EXPIRED, warm)
  const config = {
    log: { access: false },
    storage: { root: './data', minFree: 0, maxSize: '1000TiB' },
    cache: { ttl: '1h', sweep: SWEEP, tags: [{ match: '.*', fresh: '1h' }] },
  }
  const starts: number[] = []
  for (let round = 0; round < 2; round++) {
    // Not just before a sweep: that one is measured further down.
    await untilSecond(1)
    const begun = performance.now()
    await using proxy = await proxyProcess(folder.path, 'http://127.0.0.1:9', config)
    await pull(`${proxy.url}/v2/library/app/blobs/${warm.digest}`)
    starts.push(performance.now() - begun)
  }
  await untilSecond(1)
  const begun = performance.now()
  await using proxy = await proxyProcess(folder.path, 'http://127.0.0.1:9', config, { preload: PROBE })
  const url = `${proxy.url}/v2/library/app/blobs/${warm.digest}`
  await pull(url)
  starts.push(performance.now() - begun)
  add('1,000,000 objects: start to first answer', OWN, starts, 'ms', { most: 1_000 })

  const quiet = await pullWhile(url, sleep(3_000))
  await stallOf(proxy.program)
  const sweep = swept(proxy.adminUrl)
  const busy = await pullWhile(url, sweep)
  const stall = await stallOf(proxy.program)
  const { from, to } = await sweep
  const during = busy.filter(({ at, milliseconds }) => at + milliseconds >= from && at <= to)
  add(`a sweep that evicts ${EXPIRED}`, OWN, [to - from], 'ms', { most: 1_000 })
  add('the event loop held at most, in a sweep', OWN, [stall], 'ms', { most: 50 })
  for (const [when, all] of [
    ['before', quiet],
    ['during the sweep', during],
  ] as const) {
    const times = all.map(({ milliseconds }) => milliseconds).toSorted((a, b) => a - b)
    add(`warm 64 KiB pull, ${when}: median`, OWN, [median(times)], 'ms')
    add(`warm 64 KiB pull, ${when}: p99`, OWN, [times[Math.floor(times.length * 0.99)]!], 'ms')
  }
  add('1,000,000 objects: memory at most', OWN, [await proxy.peakMemory()], 'MiB', { most: 200 })
}

async function pull(url: string): Promise<void> {
  const answer = await fetch(url)
  if (answer.status !== 200) throw new Error(`${url}: ${answer.status}`)
  await answer.arrayBuffer()
}

interface Pull {
  /** When it began. */
  readonly at: number
  readonly milliseconds: number
}

/** One pull after the other, until `end`. */
async function pullWhile(url: string, end: Promise<unknown>): Promise<readonly Pull[]> {
  const state = { ended: false }
  const noteEnd = end.finally(() => {
    state.ended = true
  })
  const pulls: Pull[] = []
  while (!state.ended) {
    const at = performance.now()
    await pull(url)
    pulls.push({ at, milliseconds: performance.now() - at })
    await sleep(2)
  }
  await noteEnd
  return pulls
}

/** When the next sweep began and ended, to some twenty milliseconds. */
async function swept(adminUrl: string): Promise<{ readonly from: number; readonly to: number }> {
  const evictedBy = async () => {
    const metrics = await (await fetch(`${adminUrl}/metrics`)).text()
    return Number(/entrepot_evictions_total\{reason="ttl"\} (\d+)/.exec(metrics)?.[1] ?? 0)
  }
  let from = performance.now()
  for (const deadline = from + 60_000; performance.now() < deadline;) {
    const before = performance.now()
    const evicted = await evictedBy()
    if (evicted >= EXPIRED) return { from, to: performance.now() }
    if (evicted === 0) from = before
    await sleep(20)
  }
  throw new Error('no sweep within a minute')
}

/** The longest the event loop was held since this was asked last, in milliseconds. */
async function stallOf(program: Program): Promise<number> {
  const asked = Date.now()
  program.kill('SIGUSR2')
  return program.line((line) => {
    const { stall, at } = line.startsWith('{"stall"')
      ? (JSON.parse(line) as { stall: number; at: number })
      : {}
    return at !== undefined && at >= asked ? stall : undefined
  })
}

async function untilSecond(second: number): Promise<void> {
  while (new Date().getSeconds() % 10 !== second) await sleep(20)
}
