import { setTimeout as sleep } from 'node:timers/promises'
import type { FakeUpstream, Script } from '../support/fake-upstream.ts'
import type { Blob } from '../support/fixtures.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** The body faults F20-F31 and F34 and the outages F5, F7, F10 of reference/faults.md, as scripts of the fake upstream. */
const FAULTS = {
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
  'another length': ({ bytes }) => ({ ...whole, contentLength: bytes.length - 1, body: bytes.subarray(1) }),
  slow: () => ({ delayMs: 3_000 }),
  416: () => ({ status: 416 }),
  429: () => ({ status: 429, headers: { 'Retry-After': '1' } }),
  500: () => ({ status: 500 }),
  503: () => ({ status: 503 }),
} satisfies Record<string, (blob: Blob, k: number) => Script>

const whole = { status: 200, headers: { 'Content-Range': undefined } } satisfies Script

/** These send, under the blob's name, bytes that are not the blob's. */
const LIES: ReadonlySet<string> = new Set(['flip', 'garbage', 'html', 'gzip', 'another length'])
const OF_TAGS_TOO: ReadonlySet<string> = new Set(['slow', '429', '500', '503'])

export interface Trouble {
  /** How often each kind was made. */
  readonly counts: ReadonlyMap<string, number>
  /** The latest faults of a blob's body, for whoever has to find out what went wrong. */
  latest(digest: string): readonly string[]
  /** One fault of a random kind. */
  make(): Promise<void>
  /** From now on upstream does everything right. */
  end(): void
}

export function trouble(upstream: FakeUpstream, { blobs, tags, lie, move }: World, random: Random): Trouble {
  const counts = new Map<string, number>()
  const count = (kind: string) => counts.set(kind, (counts.get(kind) ?? 0) + 1)

  const made: { readonly kind: string; readonly digest: string }[] = []

  return {
    counts,
    latest: (digest) => made.flatMap((one) => (one.digest === digest ? [one.kind] : [])).slice(-4),
    async make() {
      const chance = random.next()
      if (chance < 0.01) return restart()
      if (chance < 0.1) return void moveTag()
      const kind = random.pick(Object.keys(FAULTS) as (keyof typeof FAULTS)[])
      const blob = random.pick(blobs)
      const script: Script = FAULTS[kind](blob, random.below(blob.bytes.length))
      count(String(kind))
      made.push({ kind: String(kind), digest: blob.digest })
      if (LIES.has(String(kind))) lie(blob)
      upstream.on(`/v2/library/app/blobs/${blob.digest}`, { method: 'GET', ...script })
      if (OF_TAGS_TOO.has(String(kind))) upstream.on(/\/manifests\//, script)
    },
    end: () => upstream.forgetScripts(),
  }

  async function restart(): Promise<void> {
    count('killed and restarted')
    await upstream.stop()
    await sleep(3_000 * random.next())
    await upstream.start()
  }

  function moveTag(): void {
    count('tag moved')
    move(random.pick(tags))
  }
}
