import { setTimeout as sleep } from 'node:timers/promises'
import type { FakeUpstream, Script } from '../support/fake-upstream.ts'
import type { Blob } from '../support/fixtures.ts'
import type { Random } from '../support/seeded-random.ts'
import type { World } from './world.ts'

type MakeScript = (blob: Blob, k: number) => Script

const whole = { status: 200, headers: { 'Content-Range': undefined } } satisfies Script

/** Rows F20-F31 of reference/faults.md. */
const BODY_FAULTS: Readonly<Record<string, MakeScript>> = {
  stall: (_, k) => ({ atByte: { k, then: 'stall' } }),
  reset: (_, k) => ({ atByte: { k, then: 'reset' } }),
  short: (_, k) => ({ atByte: { k, then: 'finish' } }),
  'short without a length': (_, k) => ({ contentLength: 'none', atByte: { k, then: 'finish' } }),
  longer: ({ bytes }) => ({ ...whole, body: Buffer.concat([bytes, Buffer.alloc(5_000)]) }),
  flip: (_, k) => ({ flipByte: k }),
  garbage: (_, k) => ({ atByte: { k, then: 'garbage' } }),
  html: () => ({ ...whole, headers: { ...whole.headers, 'Content-Type': 'text/html' }, body: '<html>' }),
  gzip: () => ({ encoding: 'gzip' }),
  chunked: () => ({ contentLength: 'chunked' }),
  'range ignored': ({ bytes }) => ({ ...whole, body: bytes }),
  'another range': ({ bytes }) => {
    const headers = { 'Content-Range': `bytes 1-${bytes.length - 1}/${bytes.length}` }
    return { status: 206, headers, body: bytes.subarray(1) }
  },
  'another length': ({ bytes }) => ({ ...whole, body: bytes.subarray(1) }),
  '416': () => ({ status: 416 }),
}

/** These send, under the blob's name, bytes that are not the blob's. */
const LIES: ReadonlySet<string> = new Set(['flip', 'garbage', 'html', 'gzip', 'another length'])

/** Rows F5, F7, F10 and F11, of blobs and of tags. Rare: while we leave upstream alone after one, nothing else can go wrong. */
const OUTAGES: Readonly<Record<string, MakeScript>> = {
  slow: () => ({ delayMs: 3_000 }),
  '429': () => ({ status: 429 }),
  '429 for a second': () => ({ status: 429, headers: { 'Retry-After': '1' } }),
  '500': () => ({ status: 500 }),
  '503': () => ({ status: 503 }),
}

/** Milliseconds after which the proxy, which leaves upstream alone at first for 2 s and then 4, is back. */
const NOTICED_WITHIN = 10_000

export interface Trouble {
  /** How often each kind came to pass. */
  readonly counts: ReadonlyMap<string, number>
  /** The latest faults of a blob's body, for whoever has to find out what went wrong. */
  latest(digest: string): readonly string[]
  /** Whether upstream cannot be reached, or could not until lately. */
  isUnreachable(): boolean
  /** One fault of a random kind; most of them wait for the next request for their blob. */
  make(): Promise<void>
  /** From now on upstream does everything right. */
  end(): void
}

export function trouble(upstream: FakeUpstream, { blobs, tags, lie, move }: World, random: Random): Trouble {
  const counts = new Map<string, number>()
  const count = (kind: string) => counts.set(kind, (counts.get(kind) ?? 0) + 1)
  /** What was prepared for the next requests of each path since upstream last did everything right. */
  const prepared = new Map<string, string[]>()
  /** Monotonic milliseconds. */
  let reachableFrom = 0
  const made: { readonly kind: string; readonly digest: string }[] = []

  return {
    counts,
    isUnreachable: () => performance.now() < reachableFrom,
    latest: (digest) => made.flatMap((one) => (one.digest === digest ? [one.kind] : [])).slice(-4),
    async make() {
      const chance = random.next()
      if (chance < 0.005) return restart()
      if (chance < 0.03) return outage(random.pick(Object.keys(OUTAGES)))
      if (chance < 0.045) return silence()
      if (chance < 0.1) return void moveTag()
      const kind = random.pick(Object.keys(BODY_FAULTS))
      const blob = random.pick(blobs)
      made.push({ kind, digest: blob.digest })
      if (LIES.has(kind)) lie(blob)
      prepare(kind, pathOf(blob), BODY_FAULTS[kind]!(blob, random.below(blob.bytes.length)))
    },
    end() {
      upstream.forgetScripts()
      for (const [path, kinds] of prepared) kinds.slice(0, upstream.count('GET', path)).forEach(count)
      prepared.clear()
      upstream.requests.length = 0
    },
  }

  function prepare(kind: string, path: string, script: Script): void {
    prepared.set(path, [...(prepared.get(path) ?? []), kind])
    upstream.on(path, { method: 'GET', ...script })
  }

  function outage(kind: string): void {
    const blob = random.pick(blobs)
    const script = OUTAGES[kind]!(blob, 0)
    prepare(kind, pathOf(blob), script)
    upstream.on(/\/library\/app\/manifests\//, script)
  }

  async function restart(): Promise<void> {
    count('killed and restarted')
    reachableFrom = Infinity
    await upstream.stop()
    await sleep(3_000 * random.next())
    await upstream.start()
    reachableFrom = performance.now() + NOTICED_WITHIN
  }

  function silence(): void {
    count('connections that went silent')
    upstream.silence()
  }

  function moveTag(): void {
    count('tag moved')
    move(random.pick(tags))
  }
}

function pathOf({ digest }: Blob): string {
  return `/v2/library/app/blobs/${digest}`
}
