/**
 * The figures of the design, side by side with the peers that are installed: `npm run bench`, or `npm run bench -- limited herd`
 * for some of them. Systems take turns round by round; medians are printed, and written to bench/results/.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { tempFolder } from '../test/support/temp-folder.ts'
import { median, pull, pullMany, rate, touchMemory } from './support/measure.ts'
import { benchUpstream, entrepotSystem, missingHere, peers, type System } from './support/systems.ts'

interface Row {
  readonly what: string
  readonly system: string
  readonly value: number
  readonly unit: string
  readonly all: readonly number[]
}

const MiB = 1024 * 1024
const ROUNDS = 5
const rows: Row[] = []

const METRICS: Record<string, () => Promise<void>> = {
  warm,
  'cold-direct': coldDirect,
  limited,
  followers,
  herd,
}

const wanted = process.argv.slice(2)
for (const [name, measure] of Object.entries(METRICS)) {
  if (wanted.length === 0 || wanted.includes(name)) await measure()
}
const unknown = wanted.filter((name) => !(name in METRICS))
if (unknown.length > 0)
  throw new Error(`unknown: ${unknown.join(', ')}; there are ${Object.keys(METRICS).join(', ')}`)
const folder = new URL('results/', import.meta.url)
await mkdir(folder, { recursive: true })
const date = new Date().toISOString()
await writeFile(new URL(`${date.slice(0, 10)}.json`, folder), `${JSON.stringify({ date, rows }, null, 2)}\n`)

/** What is in the store, from every system in turn. */
async function warm(): Promise<void> {
  await using folder = await tempFolder()
  await using upstream = await benchUpstream(512)
  await using entrepot = await entrepotSystem(`${folder.path}/entrepot`, upstream.url)
  const others = await peers(folder.path, upstream.url)
  await using _ = {
    [Symbol.asyncDispose]: async () =>
      void (await Promise.all(others.map((one) => one[Symbol.asyncDispose]()))),
  }
  const systems: System[] = [entrepot, ...others]
  const blob = `/v2/library/app/blobs/${upstream.large}`
  for (const { url } of systems) await pull(url + blob)
  for (const clients of [1, 8]) {
    const speeds = new Map<System, number[]>()
    const costs = new Map<System, number[]>()
    for (let round = 0; round <= ROUNDS; round++) {
      for (const system of systems) {
        const cpu = await system.cpu()
        const seconds = await pullMany(clients, system.url + blob)
        const gigabytes = (clients * upstream.size) / 1e9
        if (round === 0) continue
        add(speeds, system, gigabytes / seconds)
        add(costs, system, ((await system.cpu()) - cpu) / gigabytes)
      }
    }
    for (const system of systems) {
      row(`warm 512 MiB blob, ${clients} clients`, system.name, speeds.get(system)!, 'GB/s')
      row(`CPU for it`, system.name, costs.get(system)!, 's/GB')
    }
  }
  if (missingHere('wrk')) return
  const small = {
    'warm manifest by digest, 16 connections': `/v2/library/app/manifests/${upstream.manifest}`,
    'warm tag, 16 connections': '/v2/library/app/manifests/latest',
    'warm 233-byte blob, 16 connections': `/v2/library/app/blobs/${upstream.small}`,
  }
  for (const [what, path] of Object.entries(small)) {
    const rates = new Map<System, number[]>()
    for (let round = 0; round <= 3; round++) {
      for (const system of systems) {
        const value = await rate(system.url + path, 16, round === 0 ? 1 : 3)
        if (round > 0) add(rates, system, value)
      }
    }
    for (const system of systems) row(what, system.name, rates.get(system)!, '/s')
  }
}

/** A cold pull by one client, and the same download straight from upstream to a file. */
async function coldDirect(): Promise<void> {
  await using upstream = await benchUpstream(512)
  const times = new Map<string, number[]>()
  for (let round = 0; round <= ROUNDS; round++) {
    await using folder = await tempFolder()
    await using entrepot = await entrepotSystem(`${folder.path}/entrepot`, upstream.url)
    const path = `/v2/library/app/blobs/${upstream.large}`
    await touchMemory(3)
    const direct = await pull(upstream.url + path, `${folder.path}/direct`)
    const cold = await pull(entrepot.url + path)
    if (round === 0) continue
    add(times, 'direct', upstream.size / 1e9 / direct.total)
    add(times, 'entrepot', upstream.size / 1e9 / cold.total)
  }
  row('cold 512 MiB blob, 1 client', 'entrepot', times.get('entrepot')!, 'GB/s')
  row('the same, straight from upstream to a file', 'curl', times.get('direct')!, 'GB/s')
  row(
    'cold pull against direct download',
    'entrepot',
    ratios(times.get('entrepot')!, times.get('direct')!),
    '×',
  )
}

/** Upstream sends no more than 20 MB/s on each connection. */
async function limited(): Promise<void> {
  await using upstream = await benchUpstream(256, 20e6)
  const path = `/v2/library/app/blobs/${upstream.large}`
  const gains: number[] = []
  for (let round = 0; round < 3; round++) {
    await using folder = await tempFolder()
    await using entrepot = await entrepotSystem(`${folder.path}/entrepot`, upstream.url)
    const direct = await pull(upstream.url + path)
    const cold = await pull(entrepot.url + path)
    gains.push(direct.total / cold.total)
  }
  row('20 MB/s per connection: cold 256 MiB against direct', 'entrepot', gains, '×')
}

/** How long after the leader the others get their first byte. */
async function followers(): Promise<void> {
  await using upstream = await benchUpstream(512)
  const path = `/v2/library/app/blobs/${upstream.large}`
  const delays: number[] = []
  const shares: number[] = []
  for (let round = 0; round < 3; round++) {
    await using folder = await tempFolder()
    await using entrepot = await entrepotSystem(`${folder.path}/entrepot`, upstream.url)
    await touchMemory(2)
    const before = (await upstream.stats()).sent
    const all = await Promise.all(Array.from({ length: 50 }, () => pull(entrepot.url + path)))
    const firsts = all.map(({ first }) => first * 1000)
    delays.push(median(firsts) - Math.min(...firsts))
    shares.push(((await upstream.stats()).sent - before) / upstream.size)
  }
  row('50 clients, cold 512 MiB: first byte after the leader', 'entrepot', delays, 'ms')
  row('upstream bytes for it', 'entrepot', shares, '× the blob')
}

/** Five hundred clients on one cold blob. */
async function herd(): Promise<void> {
  await using upstream = await benchUpstream(64)
  await using folder = await tempFolder()
  await using entrepot = await entrepotSystem(`${folder.path}/entrepot`, upstream.url)
  const seconds = await pullMany(500, `${entrepot.url}/v2/library/app/blobs/${upstream.large}`)
  const { sent, gets } = await upstream.stats()
  row('500 clients, cold 64 MiB blob', 'entrepot', [seconds], 's')
  row('upstream bytes for it', 'entrepot', [sent / (64 * MiB)], '× the blob')
  row('upstream GETs for it', 'entrepot', [gets], '')
  row('peak memory for it', 'entrepot', [await entrepot.peak()], 'MiB')
}

function add<K>(map: Map<K, number[]>, key: K, value: number): void {
  map.set(key, [...(map.get(key) ?? []), value])
}

function ratios(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, i) => value / b[i]!)
}

function row(what: string, system: string, all: readonly number[], unit: string): void {
  const value = median(all)
  rows.push({ what, system, value, unit, all })
  const spread = all.length > 1 ? `  (${show(Math.min(...all))} – ${show(Math.max(...all))})` : ''
  process.stdout.write(
    `${what.padEnd(56)} ${system.padEnd(16)} ${show(value).padStart(9)} ${unit}${spread}\n`,
  )
}

function show(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3)
}
