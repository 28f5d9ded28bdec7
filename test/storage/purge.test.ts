import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { imageText, parseImagePattern } from '../../src/oci/image-pattern.ts'
import { blobOf } from '../support/fixtures.ts'
import { addImage, addIndex, addManifest, pattern, repository, tagged } from './images.ts'
import { contentOf, type OpenStore, put, storeFolder } from './setup.ts'
import { upstreamNames } from '../../src/oci/upstream-names.ts'

const [base, one, two] = [blobOf(10_000, 1), blobOf(2_000, 2), blobOf(3_000, 3)]

async function purge({ catalogue }: OpenStore, text: string, dryRun = false) {
  const { images, pinned, objects, bytes } = await catalogue.purge(pattern(text), { dryRun })
  return { images: images.map(imageText), pinned: pinned.map(imageText), objects, bytes }
}

async function names({ catalogue }: OpenStore): Promise<readonly string[]> {
  return (await catalogue.images(pattern('*'))).map(imageText).toSorted()
}

suite('purge', () => {
  test('takes the image and what only it uses; layers that others share stay', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    const a = await addImage(store, 'ghcr.io/org/a', '1', [base, one])
    await addImage(store, 'ghcr.io/org/b', '1', [base, two])
    const gone = { images: ['ghcr.io/org/a:1'], pinned: [], objects: 2, bytes: 2_000 + a.bytes.length }
    assert.deepEqual(await purge(store, 'ghcr.io/org/a', true), gone)
    assert.equal((await names(store)).length, 2, 'a dry run removes nothing')
    assert.deepEqual(await contentOf(store, one), one.bytes)
    assert.deepEqual(await purge(store, 'ghcr.io/org/a'), gone)
    assert.deepEqual(await names(store), ['ghcr.io/org/b:1'])
    assert.equal(await contentOf(store, one), undefined)
    assert.deepEqual(await contentOf(store, base), base.bytes)
    assert.equal(await store.links.has(repository('ghcr.io/org/a'), base.digest), false)
    assert.equal(await store.links.has(repository('ghcr.io/org/b'), base.digest), true)
    assert.equal(await store.tags.get(repository('ghcr.io/org/a'), '1'), undefined)
    assert.deepEqual(store.evicted, ['purge', 'purge'])
    assert.deepEqual(await purge(store, 'ghcr.io/org/a'), { images: [], pinned: [], objects: 0, bytes: 0 })
  })

  test('tells who else has it, unless it is of this replica alone', async () => {
    await using folder = await storeFolder()
    const told: string[] = []
    await using store = await folder.open({
      purged: async (digests) => void told.push(`${digests.length} objects`),
      forgotten: async ({ tags, links }) => void told.push(`${tags.length} tags, ${links.length} links`),
    })
    const add = () => addImage(store, 'ghcr.io/org/a', '1', [one])
    await add()
    await store.catalogue.purge(pattern('ghcr.io/org/a'), { dryRun: false, isOnlyHere: true })
    assert.deepEqual(await names(store), [])
    assert.equal(await contentOf(store, one), undefined)
    assert.deepEqual(
      told.filter((each) => !each.startsWith('0')),
      [],
    )
    await add()
    await purge(store, 'ghcr.io/org/a')
    assert.ok(told.includes('2 objects'), told.join())
    assert.ok(
      told.some((each) => each.startsWith('1 tags')),
      told.join(),
    )
  })

  test('of one repository: a layer that another of its tags uses stays linked', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    const first = await addImage(store, 'ghcr.io/org/a', '1', [base, one])
    await addImage(store, 'ghcr.io/org/a', '2', [base, two])
    await tagged(store, 'ghcr.io/org/a', 'same', first.digest)
    assert.deepEqual(await purge(store, 'ghcr.io/org/a:1'), {
      images: ['ghcr.io/org/a:1'],
      pinned: [],
      objects: 0,
      bytes: 0,
    })
    assert.equal((await purge(store, 'ghcr.io/org/a:same')).objects, 2)
    assert.equal(await store.links.has(repository('ghcr.io/org/a'), base.digest), true)
    assert.deepEqual(await names(store), ['ghcr.io/org/a:2'])
  })

  test('an image that refers to a layer keeps it, also when it was never pulled through there', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await addImage(store, 'ghcr.io/org/a', '1', [base])
    await addManifest(store, 'quay.io/org/b', '1', [base, one])
    await purge(store, 'ghcr.io/**')
    assert.deepEqual(await contentOf(store, base), base.bytes)
  })

  test('an index goes with its manifests, unless another one has them', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    const shared = await addImage(store, 'ghcr.io/org/a', undefined, [one])
    const own = await addImage(store, 'ghcr.io/org/a', undefined, [two])
    await addIndex(store, 'ghcr.io/org/a', '1', [shared, own])
    await addIndex(store, 'ghcr.io/org/a', '2', [shared])
    assert.equal((await purge(store, 'ghcr.io/org/a:1')).objects, 3)
    assert.deepEqual(await contentOf(store, shared), shared.bytes)
    assert.equal(await contentOf(store, own), undefined)
    assert.equal((await purge(store, '*')).objects, 3)
    assert.deepEqual(await folder.files(), [])
  })

  test('of whole repositories takes along what is no image', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await put(store, one)
    await store.links.add(repository('ghcr.io/org/a'), one.digest)
    assert.equal((await purge(store, 'ghcr.io/org/a:*')).objects, 0)
    assert.deepEqual(await purge(store, 'ghcr.io/org/*'), {
      images: [],
      pinned: [],
      objects: 1,
      bytes: one.bytes.length,
    })
    assert.deepEqual(await folder.files(), [])
  })

  test('leaves what is pinned, whole', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open({ pinned: [pattern('ghcr.io/org/a:1')] })
    await addImage(store, 'ghcr.io/org/a', '1', [base, one])
    await addImage(store, 'ghcr.io/org/a', '2', [base, two])
    const { images, pinned, objects } = await purge(store, '*')
    assert.deepEqual([images, pinned, objects], [['ghcr.io/org/a:2'], ['ghcr.io/org/a:1'], 2])
    assert.deepEqual(await contentOf(store, base), base.bytes)
    assert.deepEqual(await contentOf(store, one), one.bytes)
  })

  test('what is being read meanwhile is read to its end', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await addImage(store, 'ghcr.io/org/a', '1', [base])
    await using reader = (await store.blobs.open(base.digest))!
    await purge(store, '*')
    const rest = Buffer.alloc(base.bytes.length)
    assert.equal(await reader.read(rest, 0), rest.length)
    assert.deepEqual(rest, base.bytes)
  })
})

test('FR-41: images of an upstream that was removed are listed, unpinned and purged by the name that ls shows', async () => {
  await using folder = await storeFolder()
  await using store = await folder.open()
  await addImage(store, 'gone/org/app', '1', [blobOf(1000, 1)])
  await addImage(store, 'docker.io/library/node', '20', [blobOf(1000, 2)])
  const upstreams = await store.upstreams()
  assert.deepEqual(upstreams.toSorted(), ['docker.io', 'gone'])
  const gone = parseImagePattern('gone/org/app:1', upstreamNames(['docker.io', ...upstreams]))!
  assert.equal(gone.text, 'gone/org/app:1')
  assert.equal(await store.pins.add(gone), true)
  assert.equal((await store.catalogue.purge(gone, { dryRun: false })).pinned.length, 1)
  assert.equal(await store.pins.remove(gone), true)
  assert.equal((await store.catalogue.purge(gone, { dryRun: false })).images.length, 1)
  assert.deepEqual(await store.upstreams(), ['docker.io'])
})
