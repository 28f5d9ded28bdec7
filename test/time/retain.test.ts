/** `views.retain`: what tags pointed to is kept, within the limits of the store. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { keepLast } from '../../src/eviction/keep-last.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { imagePattern } from '../../src/oci/image-pattern.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { InventoryOptions, StoredContent } from '../../src/ports/metadata.ts'
import { type OpenStore, storeFolder } from '../storage/setup.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { readBlob, rig } from '../support/rig.ts'

const DAY = 86_400_000
const APP = { upstream: 'docker.io', name: 'library/app' }
const rules = (...texts: readonly (readonly [string, number])[]) =>
  texts.map(([text, days]) => ({ match: imagePattern(text), keep: days * DAY }))

async function put(store: OpenStore, bytes: Buffer, mediaType?: string): Promise<Digest> {
  const digest = digestOf(bytes)
  await using ingest = await store.blobs.ingest({ digest, ...(mediaType && { mediaType }) } as never)
  await ingest.write(bytes, 0)
  await ingest.verify(bytes.length)
  await ingest.commit()
  return digest
}

/** An image with one layer. */
async function putImage(store: OpenStore, seed: number) {
  const { bytes, digest: layer } = blobOf(2_000, seed)
  await put(store, bytes)
  const manifest = await put(store, manifestOf([bytes]), OCI_MANIFEST)
  await store.references.record(manifest, [layer])
  return { manifest, layer }
}

suite('views.retain', () => {
  test('keeps what a tag pointed to, and its past, for the time of its rule', async () => {
    await using folder = await storeFolder()
    let now = 100 * DAY
    const retained = () => rules(['docker.io/library/app:v*', 10], ['docker.io/library/app', 1])
    await using store = await folder.open({ now: () => now, retained })
    const [one, two, three] = [await putImage(store, 1), await putImage(store, 2), await putImage(store, 3)]
    const set = (tag: string, { manifest }: typeof one) =>
      store.tags.set(APP, tag, { digest: manifest, checkedAt: now })
    for (const tag of ['v1', 'latest']) await set(tag, one)
    now += DAY
    for (const tag of ['v1', 'latest']) await set(tag, two)
    await set('gone', three)
    now += 2 * DAY
    await store.tags.remove(APP, 'gone')
    const kept = async () => {
      now += 60_000
      return store.retained()
    }
    let all = await kept()
    for (const digest of [one, two, three].flatMap(({ manifest, layer }) => [manifest, layer]))
      assert.ok(all.has(digest), digest)
    now += 2 * DAY
    all = await kept()
    // Deleted two days ago, under a rule of one day.
    assert.ok(!all.has(three.layer))
    assert.ok(all.has(one.layer) && all.has(two.layer))
    now += 7 * DAY
    all = await kept()
    assert.ok(!all.has(one.layer), 'v1 has moved eleven days ago')
    assert.ok(all.has(two.layer))

    // Nobody has asked for the tags for eleven days: one rule still has their past, the other has not.
    await store.tags.removeUnusedSince(now - 7 * DAY)
    assert.equal(await store.tags.peek(APP, 'latest'), undefined)
    assert.deepEqual(await store.tags.past(APP, 'latest'), [])
    assert.deepEqual(await store.tags.past(APP, 'gone'), [])
    await store.tags.get(APP, 'v1')
  })

  test('a tag that nobody asks for is known as long as its rule says, and others are forgotten', async () => {
    await using folder = await storeFolder()
    let now = 100 * DAY
    const retained = () => rules(['docker.io/library/app:v*', 30])
    await using store = await folder.open({ now: () => now, retained })
    const { manifest: digest } = await putImage(store, 1)
    for (const tag of ['v1', 'other']) await store.tags.set(APP, tag, { digest, checkedAt: now })
    now += 29 * DAY
    assert.equal(await store.tags.removeUnusedSince(now - 7 * DAY), 1)
    assert.equal((await store.tags.past(APP, 'v1')).length, 1)
    assert.equal((await store.tags.past(APP, 'other')).length, 0)
    now += 2 * DAY
    assert.equal(await store.tags.removeUnusedSince(now - 7 * DAY), 1)
    assert.equal((await store.tags.past(APP, 'v1')).length, 0)
    assert.equal((await store.retained()).size, 0)
  })

  test('du tells what is kept, and what was to be kept and is not stored any more', async () => {
    await using folder = await storeFolder()
    let now = 100 * DAY
    await using store = await folder.open({ now: () => now, retained: () => rules(['docker.io/**', 10]) })
    const [one, two] = [await putImage(store, 1), await putImage(store, 2)]
    for (const { manifest } of [one, two]) {
      await store.tags.set(APP, 'v1', { digest: manifest, checkedAt: now })
      now += DAY
    }
    const { retained } = await store.catalogue.usage()
    assert.deepEqual([retained?.objects, retained?.missing], [4, 0])
    assert.ok(retained!.bytes > 4_000)
    await store.blobs.delete(one.manifest)
    now += 60_000
    const after = (await store.catalogue.usage()).retained
    assert.deepEqual([after?.objects, after?.missing], [2, 1])
    // A bucket may still have it.
    assert.ok((await store.retained()).has(one.manifest))
  })

  test('of a tier in front of a bucket, du does not call missing what it never had', async () => {
    await using folder = await storeFolder()
    const options = { retained: () => rules(['docker.io/**', 10]), isTier: true }
    await using store = await folder.open(options)
    const digest = digestOf(Buffer.from('pulled by another replica'))
    await store.tags.set(APP, 'v1', { digest, checkedAt: Date.now() })
    assert.deepEqual((await store.catalogue.usage()).retained, { objects: 0, bytes: 0, missing: 0 })
    assert.ok((await store.retained()).has(digest))
  })

  test('more than the store may hold is promised: new content is stored all the same, and it is said', async () => {
    await using upstream = await fakeUpstream()
    await using folder = await storeFolder()
    let now = 100 * DAY
    await using store = await folder.open({ now: () => now, retained: () => rules(['fake/**', 30]) })
    const told = new Set<Digest>()
    const broken = (contents: readonly StoredContent[]) => contents.forEach(({ digest }) => told.add(digest))
    const inventory = keepLast(store.inventory, { retained: store.retained, broken, now: () => now })
    const maxSize = (await store.inventory.usage()).indexBytes + 400 * 1024
    await using proxy = await rig({ upstream, store: { ...store, inventory }, quota: { maxSize } })
    const repository = proxy.repository('library/app')
    const layers: Digest[] = []
    for (let i = 0; i < 12; i += 1) {
      now += DAY / 2
      proxy.now = now
      const { bytes, digest } = blobOf(64 * 1024, i)
      upstream.addBlob(bytes)
      upstream.addManifest('library/app', 'v1', manifestOf([bytes]), OCI_MANIFEST)
      const resolved = await repository.tags.resolve('v1')
      await repository.manifests.get(resolved!)
      assert.deepEqual(await readBlob(repository, digest), bytes)
      // It is committed after it was read.
      await eventually(async () => (await store.blobs.stat(digest)) !== undefined)
      layers.push(digest)
    }
    const lost: Digest[] = []
    for (const layer of layers) if ((await store.blobs.stat(layer)) === undefined) lost.push(layer)
    assert.ok(lost.length > 0 && lost.length < layers.length, `${lost.length} lost`)
    for (const layer of lost) assert.ok(told.has(layer), layer)
  })

  test('limits come first: what is kept goes last, never for its age, and it is said', async () => {
    const contentOf = (letter: string): StoredContent => ({
      digest: `sha256:${letter.repeat(64)}` as Digest,
      size: 1,
      lastUsed: 0,
      upstreams: [],
    })
    const [kept, pinned, other] = [contentOf('a'), contentOf('b'), contentOf('c')]
    const stored = new Set([kept, pinned, other])
    const find = ({ except }: Pick<InventoryOptions, 'except'>) =>
      Promise.resolve([...stored].filter(({ digest }) => !except.has(digest)))
    const broken: StoredContent[] = []
    const inventory = keepLast(
      {
        longestUnused: find,
        olderThan: (_instant, _by, options) => find(options),
      },
      {
        retained: async () => new Set([kept.digest]),
        broken: (contents) => void broken.push(...contents),
        now: () => DAY,
      },
    )
    const options = { limit: 10, except: new Set([pinned.digest]) }
    assert.deepEqual(await inventory.olderThan(0, 'use', options), [other])
    assert.deepEqual(await inventory.longestUnused(options), [other])
    assert.deepEqual(broken, [])
    stored.delete(other)
    assert.deepEqual(await inventory.olderThan(0, 'use', options), [])
    assert.deepEqual(await inventory.longestUnused(options), [kept])
    assert.deepEqual(broken, [kept])
  })
})
