/** SEC-73, SEC-91: what one manifest, name or operator does to the index leaves the others their share. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Digest } from '../../src/oci/digest.ts'
import { indexAccess } from '../../src/storage/index/index-access.ts'
import { blobOf } from '../support/fixtures.ts'
import { pattern } from './images.ts'
import { type OpenStore, put, storeFolder } from './setup.ts'

const REFERENCES = 10_000
const manifest = blobOf(1000, 1)
const repository = { upstream: 'docker.io', name: 'library/a' }

/** Digests of nothing in particular. */
const digests: readonly Digest[] = Array.from(
  { length: REFERENCES },
  (_, i) => `sha256:${i.toString(16).padStart(64, '0')}` as Digest,
)

/** How often the event loop turned while `task` ran: how often others could have been served. */
async function turnsDuring(task: () => Promise<unknown>): Promise<number> {
  let turns = 0
  let isOver = false
  const count = (): void => {
    turns += 1
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)
  await task()
  isOver = true
  return turns
}

async function withManyReferences(store: OpenStore): Promise<void> {
  await put(store, manifest, 'application/vnd.oci.image.index.v1+json')
  await store.links.add(repository, manifest.digest)
  await store.tags.set(repository, 'latest', { digest: manifest.digest, checkedAt: 1 })
  await store.references.record(manifest.digest, digests)
}

suite('SEC-73: ten thousand references of one manifest', () => {
  const steps: Readonly<Record<string, (store: OpenStore) => Promise<unknown>>> = {
    'are recorded': (store) => withManyReferences(store),
    async 'are used'(store) {
      for (const seed of [1, 2, 3]) await store.blobs.stat(blobOf(1000, seed).digest)
      await store.inventory.longestUnused({ limit: 1, except: new Set() })
    },
    'are listed': (store) => store.catalogue.images(pattern('**')),
    'are marked as vanished': (store) => store.tags.remove(repository, 'latest'),
    'are removed': (store) => store.blobs.delete(manifest.digest),
  }
  const least: Readonly<Record<string, number>> = { 'are recorded': 20, 'are removed': 20 }

  test('are recorded, used, listed and removed in slices, and none is left', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    for (const [name, step] of Object.entries(steps)) {
      const turns = await turnsDuring(() => step(store))
      assert.ok(turns >= (least[name] ?? 0), `${name}: the event loop turned ${turns} times`)
    }
    assert.equal(await store.references.has(manifest.digest), false)
    await put(store, manifest)
    await store.references.record(manifest.digest, [])
    assert.equal(await store.references.has(manifest.digest), true)
  })

  test('are recorded again when a process died before all of them were', async () => {
    await using folder = await storeFolder()
    {
      await using store = await folder.open()
      await put(store, manifest)
      const recording = store.references.record(manifest.digest, digests)
      assert.equal(await store.references.has(manifest.digest), false)
      await recording
      assert.equal(await store.references.has(manifest.digest), true)
    }
    await using store = await folder.open()
    assert.equal(await store.references.has(manifest.digest), true)
  })
})

test('SEC-73: many manifests at once take no more of the event loop than one', async () => {
  const slices = { begun: 0 }
  const { changeAll } = indexAccess(
    {
      run: () => assert.fail('no query'),
      transact: () => assert.fail('no transaction'),
      transactSome() {
        slices.begun += 1
        return 1
      },
      unlocked: async () => {},
      ready: async () => {},
      getReady() {},
      rest: () => nextTurn(),
    },
    (_, work) => work(),
  )
  const items = Array.from({ length: 12 })
  const began = performance.now()
  await Promise.all(Array.from({ length: 10 }, () => changeAll(items, () => undefined, true)))
  assert.equal(slices.begun, 120)
  // The first slice of each begins at once. Timers are up to a millisecond early.
  const took = performance.now() - began
  assert.ok(took >= 110 * 3, `${took} ms`)
})

test('SEC-91: of the repositories of an upstream, a thousand are linked to one digest', async () => {
  await using folder = await storeFolder()
  await using store = await folder.open()
  await put(store, manifest)
  const names = Array.from({ length: 1_500 }, (_, i) => ({ upstream: 'evil.example', name: `x/${i}` }))
  await store.links.add(repository, manifest.digest)
  for (const name of names) await store.links.add(name, manifest.digest)
  const linked = await Promise.all(names.map((name) => store.links.has(name, manifest.digest)))
  assert.equal(linked.filter(Boolean).length, 1_000)
  assert.equal(linked.at(-1), true, 'the latest is linked')
  assert.equal(await store.links.has(repository, manifest.digest), true, 'another upstream loses nothing')
})
