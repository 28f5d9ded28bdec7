/**
 * Histories of moves, deletions, outages, evictions and restarts, against a model that has seen the same: `asof`
 * answers what was seen, or nothing; and what a rule retains stays stored, or is said to go.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keepLast } from '../../../src/eviction/keep-last.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { isRegistryError } from '../../../src/oci/errors.ts'
import { imagePattern } from '../../../src/oci/image-pattern.ts'
import { OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import type { CacheStatus } from '../../../src/ports/read-options.ts'
import { tagsAsOf } from '../../../src/time/views/as-of.ts'
import { storeFolder } from '../../storage/setup.ts'
import { fakeUpstream } from '../../support/fake-upstream.ts'
import { blobOf, descriptorOf, manifestOf } from '../../support/fixtures.ts'
import { readBlob, rig } from '../../support/rig.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const SEEDS = 4
const STEPS = 120
const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const KEEPS = [3 * DAY, 30 * DAY] as const
const NAME = 'library/app'
const REPOSITORY = { upstream: 'fake', name: NAME }
const TAGS = ['kept-a', 'kept-b', 'free', 'restless']
/** For content, beside the index: one has room for all, the others have not. */
const QUOTAS = [3 * 1024 * 1024, 350 * 1024, 700 * 1024, 350 * 1024] as const
const LAYER = 64 * 1024

/** What the cache has seen of a tag: at each instant a digest, or that it is gone. */
type Seen = { readonly at: number; readonly digest: Digest | undefined }[]

interface Image {
  readonly digest: Digest
  readonly body: Buffer
  readonly layer: Digest
}

test('asof answers what was seen or nothing, and retention keeps what it promised or says so', async () => {
  let answered = 0
  let refused = 0
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const counts = await live(seed)
    answered += counts.answered
    refused += counts.refused
  }
  // The run was about something.
  assert.ok(answered > 100 && refused > 20, `${answered} answered, ${refused} refused`)
})

async function live(seed: number) {
  const random = seededRandom(seed)
  const keep = KEEPS[seed % KEEPS.length]!
  const quota = QUOTAS[seed % QUOTAS.length]!
  await using upstream = await fakeUpstream()
  await using folder = await storeFolder()
  let now = 1_000 * DAY
  const told = new Set<Digest>()
  const options = {
    now: () => now,
    retained: () => [{ match: imagePattern('fake/library/app:kept-*'), keep }],
  }
  const open = async () => {
    const store = await folder.open(options)
    const broken = (contents: readonly { readonly digest: Digest }[]) =>
      contents.forEach(({ digest }) => told.add(digest))
    const inventory = keepLast(store.inventory, { retained: store.retained, broken, now: () => now })
    const proxy = await rig({
      upstream,
      store: { ...store, inventory },
      quota: { maxSize: quota + (await store.inventory.usage()).indexBytes, ttl: DAY },
    })
    return { store, proxy }
  }
  let { store, proxy } = await open()
  await using _open = {
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]()
      await store.close()
    },
  }

  const images = new Map<Digest, Image>()
  const truth = new Map<string, Digest>()
  const seen = new Map<string, Seen>(TAGS.map((tag) => [tag, []]))
  /** What was stored whole once, and nobody has purged. */
  const stored = new Set<Digest>()
  let isOut = false
  const count = { answered: 0, refused: 0 }

  const move = (tag: string): void => {
    const old = [...images.values()]
    const image = old.length > 3 && random.below(3) === 0 ? random.pick(old) : newImage(seed, images.size)
    images.set(image.digest, image)
    upstream.addBlob(blobOf(LAYER, seed * 1_000 + [...images.keys()].indexOf(image.digest)).bytes)
    upstream.addManifest(NAME, tag, image.body, OCI_MANIFEST)
    truth.set(tag, image.digest)
  }

  const pull = async (tag: string): Promise<void> => {
    let status: CacheStatus | undefined
    const repository = proxy.repository(NAME)
    try {
      const digest = await repository.tags.resolve(tag, { report: (told) => void (status = told) })
      if (status?.result === 'miss' || status?.result === 'revalidated') {
        assert.equal(digest, truth.get(tag), 'what upstream says')
        seen.get(tag)!.push({ at: now, digest })
      }
      if (digest === undefined) return
      // What went before the tag pointed to it was not promised then.
      for (const each of [digest, images.get(digest)!.layer])
        if ((await store.blobs.stat(each)) === undefined) stored.delete(each)
      await repository.manifests.get(digest)
      await readBlob(repository, images.get(digest)!.layer)
      for (const each of [digest, images.get(digest)!.layer])
        if ((await store.blobs.stat(each)) !== undefined) stored.add(each)
    } catch (error) {
      if (!isRegistryError(error)) throw error
    }
  }

  /** Pulled again, it is no broken promise any more. */
  const checkPromises = async (): Promise<void> => {
    const promised = new Set<Digest>()
    for (const tag of TAGS.filter((tag) => tag.startsWith('kept')))
      for (const digest of heldSince(seen.get(tag)!, now - keep)) {
        promised.add(digest)
        promised.add(images.get(digest)!.layer)
      }
    for (const digest of stored)
      if (!promised.has(digest) && (await store.blobs.stat(digest)) === undefined) stored.delete(digest)
    for (const digest of promised) {
      if (!stored.has(digest) || (await store.blobs.stat(digest)) !== undefined) continue
      assert.ok(told.has(digest), `seed ${seed}: ${digest} was promised, and went without a word`)
      stored.delete(digest)
    }
    const { bytes } = await store.inventory.usage()
    assert.ok(bytes <= quota, `${bytes} bytes`)
  }

  for (const tag of TAGS) move(tag)
  for (let step = 0; step < STEPS; step += 1) {
    now += random.pick([1_000, MINUTE, 20 * MINUTE, 3 * 60 * MINUTE])
    proxy.now = now
    const tag = random.pick([...TAGS, 'kept-a', 'kept-b', 'kept-a', 'kept-b'])
    const act = random.below(20)
    if (act < 5) move(tag)
    else if (act < 6) {
      upstream.content.removeTag(NAME, tag)
      truth.delete(tag)
    } else if (act < 7) {
      isOut = !isOut
      if (isOut) upstream.on(/v2/, { status: 503, times: Infinity })
      else upstream.forgetScripts()
    } else if (act < 8) {
      const victim = random.pick([...stored, [...images.keys()][0]!])
      await store.blobs.delete(victim)
      stored.delete(victim)
      // Without its manifest nobody knows what a layer belongs to.
      stored.delete(images.get(victim)?.layer ?? victim)
    } else if (act < 9) {
      await proxy.evictor.sweep()
    } else if (act === 9 && random.below(4) === 0) {
      await proxy[Symbol.asyncDispose]()
      await store.close()
      ;({ store, proxy } = await open())
      proxy.now = now
    } else await pull(tag)
    if (step % 5 === 0) {
      // More moves than are remembered.
      for (let i = 0; i < 5; i += 1) {
        now += 2 * MINUTE
        proxy.now = now
        if (!isOut) move('restless')
        await pull('restless')
      }
    }
    await checkPromises()
  }

  for (const tag of TAGS) await compare(tag, seen.get(tag)!)
  return count

  async function compare(tag: string, all: Seen): Promise<void> {
    const instants = all.flatMap(({ at }) => [at - 1, at, at + 1])
    const picked = Array.from({ length: 30 }, () => random.pick([...instants, now - random.below(5 * DAY)]))
    const servedThen = async (_: unknown, __: unknown, changes: readonly { digest: Digest }[]) =>
      changes[0]!.digest
    for (const instant of [...picked, now]) {
      const view = tagsAsOf({ past: store.tags.past, seenAt: store.seenAt, servedThen }, REPOSITORY, instant)
      const then = all.findLast(({ at }) => at <= instant)?.digest
      const listed = (await store.seenAt(instant, REPOSITORY)).find((each) => each.tag === tag)?.digest
      try {
        const digest = await view.resolve(tag)
        assert.equal(digest, then, `seed ${seed}, ${tag} as of ${instant}`)
        assert.equal(listed, then)
        count.answered += 1
      } catch (error) {
        if (!isRegistryError(error, 'MANIFEST_UNKNOWN')) throw error
        assert.match(
          String(error.detail['reason']),
          /first seen|deleted upstream|nothing is known|never seen/,
        )
        assert.equal(listed, undefined)
        count.refused += 1
        if (then === undefined) continue
        // What nobody asks for is forgotten by the sweep, unless a rule keeps it.
        if (tag === 'free' || (tag.startsWith('kept') && instant < now - keep)) continue
        // Else only what lies between the first sight and the changes that are kept is forgotten.
        const changes = all.filter((each, i) => i === 0 || each.digest !== all[i - 1]!.digest)
        const kept = changes.filter(({ digest }) => digest !== undefined).slice(-98)
        assert.ok(changes.length > 99 && instant < kept[0]!.at, `seed ${seed}, ${tag} as of ${instant}`)
      }
    }
  }
}

function newImage(seed: number, i: number): Image {
  const { bytes, digest: layer } = blobOf(LAYER, seed * 1_000 + i)
  const body = manifestOf([bytes], { annotations: { seed: `${seed}` } })
  return { digest: descriptorOf(body).digest, body, layer }
}

/** The digests that a tag has pointed to at some time since an instant. */
function heldSince(all: Seen, instant: number): readonly Digest[] {
  return all.flatMap(({ digest }, i) => {
    const until = all[i + 1]?.at ?? Infinity
    return digest !== undefined && until >= instant ? [digest] : []
  })
}
