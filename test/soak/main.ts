/**
 * A proxy in a process of its own, clients of every temper, an upstream that keeps going wrong, and a model that knows the true
 * bytes: `npm run soak -- --minutes 60 [--seed 7]`. Exits 1 when any complete answer was wrong, or a healthy pull failed.
 */
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type ProxyProcess, proxyProcess } from '../e2e/support/proxy-process.ts'
import { fakeUpstream, type Script } from '../support/fake-upstream.ts'
import { type Blob, blobOf, manifestOf } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { ask, type Asked } from './client.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' } } })
const minutes = Number(values.minutes ?? 1)
const seed = Number(values.seed ?? Date.now() % 100_000)
const random = generator(seed)
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!

const KiB = 1024
const CLIENTS = 6
/** Seconds of trouble, and then of calm in which every pull has to succeed. */
const TROUBLE = 25
const CALM = 5
/** A circuit that opened during the trouble, or a quarantine, is over after this. */
const RECOVERY = 65

const counts = { pulls: 0, complete: 0, refused: 0, brokenOff: 0, left: 0, healthy: 0 }
const faults = new Map<string, number>()
const violations: string[] = []
/** Of these upstream has sent wrong bytes: a range before their withheld end may have passed some on. */
const liedAbout = new Set<string>()

await using folder = await tempFolder()
await using upstream = await fakeUpstream()
await using proxy = await proxyProcess(folder.path, upstream.url, {
  storage: { root: './data', maxSize: '24MiB', minFree: 0 },
  cache: { sweep: '*/10 * * * * *', ttl: '1m', negative: '1s', tags: [{ match: '.*', fresh: '1s' }] },
  transfers: { segmentAbove: '1MiB', finishBelow: '256KiB', queueTimeout: '2s' },
  log: { access: false },
  upstreams: {
    'docker.io': {
      url: upstream.url,
      maxTransfers: 8,
      timeouts: { connect: '1s', headers: '2s', idle: '1s' },
    },
  },
})
const blobs = Array.from({ length: 60 }, (_, i) => blobOf(Math.ceil(4 ** (2 + 4 * random()) * KiB), i + 1))
const manifests = blobs.slice(0, 20).map(({ bytes }) => manifestOf([bytes]))
for (const { bytes } of blobs) upstream.addBlob(bytes)
for (const [i, body] of manifests.entries()) upstream.addManifest('library/app', `t${i}`, body, OCI_MANIFEST)

const start = await vitals(proxy)
let peak = start
const end = performance.now() + minutes * 60_000
let phase: 'trouble' | 'recovery' | 'calm' = 'trouble'
await Promise.all([conduct(), ...Array.from({ length: CLIENTS }, () => client())])
await sleep(2_000)
report(await vitals(proxy))

/** Trouble, recovery and calm, in turn. */
async function conduct(): Promise<void> {
  while (performance.now() < end) {
    phase = 'trouble'
    for (const until = performance.now() + TROUBLE * 1000; performance.now() < until;) {
      await makeTrouble()
      await sleep(50 + 400 * random())
    }
    upstream.forgetScripts()
    phase = 'recovery'
    const recovered = performance.now() + RECOVERY * 1000
    while (performance.now() < recovered && !(await isWell())) await sleep(500)
    phase = 'calm'
    await sleep(CALM * 1000)
    peak = highest(peak, await vitals(proxy))
  }
}

async function makeTrouble(): Promise<void> {
  const kind = pick([
    'stall',
    'reset',
    'finish',
    'flip',
    'garbage',
    '500',
    '503',
    '416',
    'ignored range',
    'chunked',
    'gzip',
    'html',
    'slow',
    'restart',
  ])
  if (kind === 'restart' && random() > 0.1) return
  faults.set(kind, (faults.get(kind) ?? 0) + 1)
  if (kind === 'restart') {
    await upstream.stop()
    await sleep(2_000 * random())
    await upstream.start()
    return
  }
  const blob = pick(blobs)
  upstream.on(`/v2/library/app/blobs/${blob.digest}`, scriptOf(kind, blob))
  if (['500', '503', 'slow'].includes(kind)) upstream.on(/manifests/, scriptOf(kind, blob))
}

function scriptOf(kind: string, { bytes, digest }: Blob): Script {
  const k = Math.floor(random() * bytes.length)
  switch (kind) {
    case 'stall':
    case 'reset':
    case 'finish':
      return { atByte: { k, then: kind } }
    case 'garbage':
      liedAbout.add(digest)
      return { atByte: { k, then: kind } }
    case 'flip':
      liedAbout.add(digest)
      return { flipByte: k }
    case 'ignored range':
      return { status: 200, headers: { 'Content-Range': undefined }, body: bytes }
    case 'chunked':
      return { contentLength: 'chunked' }
    case 'gzip':
      return { encoding: 'gzip' }
    case 'html':
      liedAbout.add(digest)
      return {
        status: 200,
        headers: { 'Content-Type': 'text/html', 'Content-Range': undefined },
        body: '<html>',
      }
    case 'slow':
      return { delayMs: 3_000 }
    default:
      return { status: Number(kind) }
  }
}

async function client(): Promise<void> {
  while (performance.now() < end) {
    const before = phase
    const blob = pick(blobs)
    const what = pick(['whole', 'whole', 'range', 'leave', 'head', 'tag'])
    counts.pulls += 1
    const asked = what === 'tag' ? await askTag() : await askBlob(blob, what)
    if (asked.end === 'complete' && asked.status < 400) counts.complete += 1
    else if (asked.end === 'left') counts.left += 1
    else if (asked.status >= 400) counts.refused += 1
    else counts.brokenOff += 1
    const isHealthy = before === 'calm' && phase === 'calm'
    if (isHealthy) counts.healthy += 1
    if (isHealthy && (asked.end === 'broken off' || asked.status >= 400)) {
      violations.push(`${what} of ${blob.digest} failed in calm: ${asked.status} ${asked.end}`)
    }
    await sleep(30 + 120 * random())
  }
}

async function askBlob({ bytes, digest }: Blob, what: string): Promise<Asked> {
  const url = `${proxy.url}/v2/app/blobs/${digest}`
  if (what === 'head') return ask(url, { method: 'HEAD' })
  if (what === 'leave') return ask(url, { leaveAfter: Math.floor(random() * bytes.length) })
  const from = Math.floor(random() * bytes.length)
  const to = Math.min(bytes.length, from + Math.ceil(random() * bytes.length))
  const asked = await ask(url, what === 'range' ? { range: `bytes=${from}-${to - 1}` } : {})
  if (asked.end !== 'complete' || asked.status >= 400) return asked
  if (asked.status === 200 && digestOf(asked.body) !== digest) violations.push(`wrong bytes for ${digest}`)
  const isSure = !liedAbout.has(digest) || to > bytes.length - 32 * KiB
  if (asked.status === 206 && isSure && !asked.body.equals(bytes.subarray(from, to))) {
    violations.push(`wrong range ${from}-${to} of ${digest}`)
  }
  if (what === 'range' && asked.status !== 206) violations.push(`${asked.status} for a range of ${digest}`)
  return asked
}

async function askTag(): Promise<Asked> {
  const i = Math.floor(random() * manifests.length)
  const asked = await ask(`${proxy.url}/v2/app/manifests/t${i}`)
  if (asked.end === 'complete' && asked.status === 200 && !asked.body.equals(manifests[i]!)) {
    violations.push(`wrong manifest for t${i}`)
  }
  return asked
}

async function isWell(): Promise<boolean> {
  const all = await Promise.all(blobs.map(({ digest }) => ask(`${proxy.url}/v2/app/blobs/${digest}`)))
  const tags = await Promise.all(manifests.map((_, i) => ask(`${proxy.url}/v2/app/manifests/t${i}`)))
  return [...all, ...tags].every((asked) => asked.end === 'complete' && asked.status === 200)
}

interface Vitals {
  readonly rss: number
  readonly descriptors: number
}

async function vitals({ program }: ProxyProcess): Promise<Vitals> {
  const status = await readFile(`/proc/${program.pid}/status`, 'utf8')
  const rss = Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / KiB)
  return { rss, descriptors: (await readdir(`/proc/${program.pid}/fd`)).length }
}

function highest(a: Vitals, b: Vitals): Vitals {
  return { rss: Math.max(a.rss, b.rss), descriptors: Math.max(a.descriptors, b.descriptors) }
}

function report(last: Vitals): void {
  const list = [...faults].map(([kind, count]) => `${kind} ${count}`).join(', ')
  const total = [...faults.values()].reduce((a, b) => a + b, 0)
  const out = [
    `soak: ${minutes} min, seed ${seed}`,
    `pulls ${counts.pulls}: complete ${counts.complete}, refused ${counts.refused}, broken off ${counts.brokenOff}, left by the client ${counts.left}; in calm ${counts.healthy}`,
    `faults ${total}: ${list}`,
    `memory MiB: ${start.rss} at the start, ${peak.rss} at most, ${last.rss} at the end; descriptors: ${start.descriptors}, ${peak.descriptors}, ${last.descriptors}`,
    `upstream: ${upstream.requests.length} requests`,
    ...violations.slice(0, 20).map((violation) => `VIOLATION: ${violation}`),
    `${violations.length} violations`,
  ]
  process.stdout.write(`${out.join('\n')}\n`)
  if (violations.length > 0) process.exitCode = 1
}

/** mulberry32: small, and the same on every machine. */
function generator(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
