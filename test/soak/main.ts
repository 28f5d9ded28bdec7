/**
 * A proxy in a process of its own, clients of every temper, an upstream that keeps going wrong, a disk that is full
 * at times, a clock that is set, attackers, clients of healthy repositories beside them, and a model that knows the
 * true bytes: `npm run soak -- --minutes 60 [--seed 7]`. Row F87 of reference/faults.md. Exits 1 when an answer was
 * wrong or never came, when a pull failed though all was well with it, or when the proxy kept something that it
 * should have let go.
 */
import { mkdir, open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { proxyProcess } from '../e2e/support/proxy-process.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { attackers } from './attackers.ts'
import { bystander } from './bystanders.ts'
import { clients, type Phase } from './clients.ts'
import { configurationOf } from './configuration.ts'
import { growthIn } from './growth.ts'
import { machine as createMachine, mayMount } from './machine.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { wrongFilesIn } from './stored.ts'
import { trouble } from './trouble.ts'
import { vitalsOf, watch } from './vitals.ts'
import { world as createWorld } from './world.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' } } })
const minutes = Number(values.minutes ?? 1)
const seed = Number(values.seed ?? Date.now() % 100_000)

const CLIENTS = 5
/** Seconds of trouble, then as long as it takes until every pull succeeds, then of calm, in which every pull has to. */
const TROUBLE = 25
const RECOVERY = 65
const CALM = 6
/** Seconds in which descriptors of what is over are given back: connections to upstream are kept for 30. */
const LETTING_GO = 40
/** Kept connections to upstream, and those of threads that began with their first task, about four each. */
const SPARE_DESCRIPTORS = 16
const HERD = 8
/** Seconds between two things that happen to the machine, while there is trouble. */
const BETWEEN = 6

const random = seededRandom(seed)
const violations: string[] = []
const violated = (what: string) => {
  violations.push(what)
  if (violations.length <= 20) process.stderr.write(`${new Date().toISOString()} VIOLATION ${what}\n`)
}

await using folder = await tempFolder()
await using upstream = await fakeUpstream()
const world = createWorld(upstream, random)
await using other = await fakeUpstream()
const disk = (await mayMount()) ? `${folder.path}/disk` : undefined
if (disk !== undefined) await mkdir(disk)
const places = { upstream: upstream.url, other: other.url, disk }
let isOther = false
await using proxy = await proxyProcess(folder.path, upstream.url, configurationOf({ ...places, isOther }), {
  preload: fileURLToPath(new URL('settable-clock.ts', import.meta.url)),
  ...(disk && { smallDisk: { at: disk, size: '64m' } }),
})
let phase: Phase = 'recovery'
let over = false
const { pid, exited } = proxy.program
void exited.then((code) => {
  if (over) return
  violated(`the proxy ended with ${code}`)
  const last = proxy.program.lines.slice(-20).map((line) => line.slice(0, 4000))
  process.stderr.write(`Its last lines:\n${last.join('\n')}\n`)
})

const faults = trouble(upstream, world, random)
const crowd = clients({
  url: proxy.url,
  world,
  random,
  phase: () => phase,
  latestFaults: faults.latest,
  violated,
})
const machine = createMachine({
  pid,
  disk,
  random,
  reload() {
    isOther = !isOther
    return proxy.reload(configurationOf({ ...places, isOther }))
  },
})
const attack = attackers({ url: proxy.url, upstream, random, violated })
const bystandersOf = { url: proxy.url, violated }
const bystanders = [
  bystander({
    ...bystandersOf,
    repository: 'library/healthy',
    upstream,
    from: '127.0.0.2',
    seed: 1e6,
    isExcused: () => faults.isUnreachable(),
  }),
  bystander({
    ...bystandersOf,
    repository: 'ghcr.io/org/app',
    upstream: other,
    from: '127.0.0.3',
    seed: 2e6,
    isExcused: () => false,
  }),
]
using vitals = await watch(pid)
const end = performance.now() + minutes * 60_000
attack.prepare()
await Promise.all([
  conduct(),
  attack.runUntil(end),
  ...bystanders.map((one) => one.runUntil(end)),
  ...Array.from({ length: CLIENTS }, () => crowd.runUntil(end)),
])
const last = await settled()
{
  // The proxy's own disk goes with its process, unless somebody holds it.
  await using held = await open(machine.disk ?? folder.path)
  over = true
  proxy.program.kill('SIGTERM')
  if ((await exited) !== 0) violated(`the proxy ended with ${await exited}`)
  for (const what of await wrongFilesIn(`/proc/self/fd/${held.fd}/data`)) violated(what)
}
for (const line of proxy.program.lines)
  if (line.includes('a failure that nobody handled')) violated(line.slice(0, 4000))
for (const what of growthIn(vitals.minutes)) violated(what)
report()

/** Trouble, recovery and calm, in turn. */
async function conduct(): Promise<void> {
  while (performance.now() < end) {
    phase = 'trouble'
    const until = Math.min(end, performance.now() + TROUBLE * 1000)
    await Promise.all([misbehave(until), disturb(until)])
    faults.end()
    other.requests.length = 0
    attack.prepare()
    phase = 'recovery'
    await recovery()
    phase = 'calm'
    await herd()
    await sleep(CALM * 1000)
  }
}

async function misbehave(until: number): Promise<void> {
  while (performance.now() < until) {
    await faults.make()
    await sleep(50 + 400 * random.next())
  }
}

async function disturb(until: number): Promise<void> {
  while (performance.now() < until) {
    await machine.make()
    await sleep(2 * BETWEEN * 1000 * random.next())
  }
  await machine.end()
}

/** Without anybody doing anything about it, and before long, everything can be pulled again (I4). */
async function recovery(): Promise<void> {
  const deadline = performance.now() + RECOVERY * 1000
  let blobs = [...world.blobs]
  let tags = [...world.tags]
  for (;;) {
    for (const blob of blobs) if (await crowd.pull(blob)) blobs = blobs.filter((one) => one !== blob)
    for (const tag of tags) if (await crowd.pullTag(tag)) tags = tags.filter((one) => one !== tag)
    if (blobs.length + tags.length === 0) return
    if (performance.now() > deadline) {
      return violated(`${blobs.length} blobs and ${tags.length} tags not back after ${RECOVERY} s`)
    }
    await sleep(500)
  }
}

/** A blob that nobody has seen yet, asked for by several at once, costs one request upstream (I6). */
async function herd(): Promise<void> {
  const blob = blobOf(500_000, 1_000 + random.below(1e9))
  upstream.addBlob(blob.bytes)
  const all = await Promise.all(Array.from({ length: HERD }, () => crowd.pull(blob)))
  if (all.includes(false)) violated(`${all.filter((isWell) => !isWell).length} of a herd of ${HERD} failed`)
  const gets = upstream.count('GET', `/v2/library/app/blobs/${blob.digest}`)
  if (gets !== 1) violated(`${gets} requests upstream for a herd of ${HERD}`)
}

/** What is over is let go (I3). */
async function settled(): ReturnType<typeof vitalsOf> {
  const most = vitals.first.descriptors + SPARE_DESCRIPTORS
  for (const deadline = performance.now() + LETTING_GO * 1000; ;) {
    const now = await vitalsOf(pid)
    const running = (await proxy.transfers()).length
    if (now.descriptors <= most && running === 0) return now
    if (performance.now() > deadline) {
      violated(`${now.descriptors} descriptors and ${running} transfers are left`)
      return now
    }
    await sleep(100)
  }
}

function report(): void {
  const { asked, complete, refused, brokenOff, left, inCalm } = crowd.counts
  const { first, highest } = vitals
  const kinds = [...faults.counts, ...machine.counts].toSorted(([, a], [, b]) => b - a)
  const total = kinds.reduce((sum, [, count]) => sum + count, 0)
  const out = [
    `soak: ${minutes} min, seed ${seed}, Node ${process.version}`,
    `pulls ${asked}: complete ${complete}, refused ${refused}, broken off ${brokenOff}, left by the client ${left}; in calm ${inCalm}`,
    `${total} faults came to pass: ${kinds.map(([kind, count]) => `${kind} ${count}`).join(', ')}`,
    `attacks: ${[...attack.counts].map(([kind, count]) => `${kind} ${count}`).join(', ')}`,
    ...bystanders.map(
      ({ counts: { pulled, retried, excused, slowest } }) =>
        `bystander: ${pulled} cold blobs pulled, ${retried} tried again, ${excused} excused, ${Math.round(slowest)} ms at most`,
    ),
    ...(disk === undefined ? ['no small disk can be mounted here: it was never full'] : []),
    `MiB in each minute: ${vitals.minutes.map(({ memory }) => memory).join(' ')}`,
    `descriptors at least in each minute: ${vitals.minutes.map(({ descriptors }) => descriptors).join(' ')}`,
    `memory: ${first.memory} MiB at the start, ${highest.memory} at most, ${last.memory} at the end`,
    `descriptors: ${first.descriptors} at the start, ${highest.descriptors} at most, ${last.descriptors} at the end`,
    `violations: ${violations.length}`,
  ]
  process.stdout.write(`${out.join('\n')}\n`)
  if (violations.length > 0) process.exitCode = 1
}
