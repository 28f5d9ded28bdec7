import { setTimeout as sleep } from 'node:timers/promises'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { FakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, descriptorOf, manifestOf } from '../support/fixtures.ts'
import type { Random } from '../support/seeded-random.ts'
import { ask, type AskOptions } from './client.ts'

export interface AttackersOptions {
  /** Of the proxy. */
  readonly url: string
  readonly upstream: FakeUpstream
  readonly random: Random
  readonly violated: (what: string) => void
}

export interface Attackers {
  /** How often each attack was made. */
  readonly counts: ReadonlyMap<string, number>
  /** Upstream behaves in their repositories as they need it to. Again after its scripts were forgotten. */
  prepare(): void
  /** Each attacks in its own way, one time after another, until `end` (monotonic milliseconds). */
  runUntil(end: number): Promise<void>
}

/** All of them are one client, as its address tells. */
const FROM = '127.0.0.66'
const KiB = 1024
const MiB = 1024 * KiB
const TAGS = 2_000
/** More than fits beside anything else in the soak's store. */
const HUGE = 20 * MiB

/** Clients and repositories that cost as much as they can (SEC-70 to 72, SEC-80). What they get does not matter. */
export function attackers({ url, upstream, random, violated }: AttackersOptions): Attackers {
  const counts = new Map<string, number>()
  const slow = blobOf(2 * MiB, 500_001)
  upstream.addBlob(slow.bytes)
  for (let i = 0; i < TAGS; i++) {
    upstream.addManifest(
      'hostile/many',
      `build-${i}`,
      manifestOf([], { annotations: { i: `${i % 50}` } }),
      OCI_MANIFEST,
    )
  }
  let turn = 0

  const attacks: Readonly<Record<string, () => Promise<void>>> = {
    'a layer that is huge and does not exist': async () => {
      const absent = { ...descriptorOf(Buffer.from(`${(turn += 1)}`)), size: HUGE }
      const tag = `t${turn % 20}`
      upstream.addManifest('hostile/huge', tag, manifestOf([], { layers: [absent] }), OCI_MANIFEST)
      await get(`hostile/huge/manifests/${tag}`)
      await get(`hostile/huge/blobs/${absent.digest}`)
    },
    'tag lists, each another page': async () => {
      for (let i = 0; i < 20; i++) {
        await get(`hostile/many/tags/list?n=${1 + random.below(TAGS)}&last=build-${random.below(1e9)}`)
      }
    },
    'a reader that hardly reads': () =>
      get(`hostile/slow/blobs/${slow.digest}`, { bytesPerSecond: 4 * KiB, patience: 10_000 }),
    'what always fails, and slowly': () => get(`hostile/broken/manifests/t${random.below(1e6)}`),
    'a blob that trickles': async () => {
      const { bytes, digest } = blobOf(200 * KiB, 600_000 + (turn += 1))
      upstream.addBlob(bytes)
      await get(`hostile/trickle/blobs/${digest}`, { patience: 5_000 })
      upstream.content.blobs.delete(digest)
    },
  }

  return {
    counts,
    prepare() {
      upstream.on(/^\/v2\/hostile\/broken\//, { status: 500, delayMs: 1_500, times: Infinity })
      upstream.on(/^\/v2\/hostile\/trickle\/blobs\//, { bytesPerSecond: 2, times: Infinity })
    },
    async runUntil(end) {
      const run = async ([kind, attack]: [string, () => Promise<void>]) => {
        while (performance.now() < end) {
          await attack()
          counts.set(kind, (counts.get(kind) ?? 0) + 1)
          await sleep(200 + 800 * random.next())
        }
      }
      await Promise.all(Object.entries(attacks).map(run))
    },
  }

  async function get(path: string, options: AskOptions = {}): Promise<void> {
    const { end } = await ask(`${url}/v2/${path}`, { from: FROM, ...options })
    if (end === 'hung') violated(`no answer to an attacker's ${path}`)
  }
}
