import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { withConversions } from '../../src/eviction/with-conversions.ts'
import { imageText } from '../../src/oci/image-pattern.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { DOCKER_MANIFEST, DOCKER_SCHEMA1 } from '../../src/oci/media-types.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { type Blob, blobOf, descriptorOf, manifestOf } from '../support/fixtures.ts'
import { pattern, repository, tagged } from './images.ts'
import { type OpenStore, put, storeFolder } from './setup.ts'

const NAME = 'docker.io/library/old'
const [layer, source, manifest, config] = [1, 2, 3, 4].map((seed) => blobOf(seed * 100, seed)) as [
  Blob,
  Blob,
  Blob,
  Blob,
]
const conversion = { manifest: manifest.digest, config: config.digest }
const facts = { diffId: blobOf(9).digest, isGzip: true, isEmpty: false }

/** As a conversion leaves the store. */
async function addConverted(store: OpenStore, from: Blob = source): Promise<void> {
  const added = [
    [layer, undefined],
    [from, DOCKER_SCHEMA1],
    [manifest, DOCKER_MANIFEST],
    [config, undefined],
  ] as const
  for (const [blob, mediaType] of added) {
    await put(store, blob, mediaType)
    await store.links.add(repository(NAME), blob.digest, mediaType)
  }
  await store.references.record(from.digest, [layer.digest])
  await store.references.record(manifest.digest, [config.digest, layer.digest])
  await store.conversions.add(from.digest, conversion)
}

describe('conversions', () => {
  test('are known until one of their parts goes, also after a restart', async () => {
    for (const gone of [source, manifest, config]) {
      await using folder = await storeFolder()
      {
        await using store = await folder.open()
        assert.equal(await store.conversions.find(source.digest), undefined)
        await addConverted(store)
      }
      await using store = await folder.open()
      assert.deepEqual({ ...(await store.conversions.find(source.digest)) }, conversion)
      await store.blobs.delete(gone.digest)
      assert.equal(await store.conversions.find(source.digest), undefined)
    }
  })

  test('are not recorded of what is not stored', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await put(store, source, DOCKER_SCHEMA1)
    await store.conversions.add(source.digest, conversion)
    assert.equal(await store.conversions.find(source.digest), undefined)
  })

  test('go when what they were made of is evicted, unless they were made of something else too', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    const other = blobOf(50, 9)
    await addConverted(store)
    await addConverted(store, other)
    const evicting = withConversions(store.blobs, store.conversions)
    await evicting.delete(source.digest)
    assert.deepEqual(
      await folder.files(),
      [layer, manifest, config, other].map(({ digest }) => digest).toSorted(),
    )
    await evicting.delete(other.digest)
    assert.deepEqual(await folder.files(), [layer.digest])
    await addConverted(store)
    await addConverted(store, other)
    await evicting.delete(source.digest, other.digest)
    assert.deepEqual(await folder.files(), [layer.digest])
  })

  test('room is made though the index cannot tell of any', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await put(store, source)
    const madeOf = async () => {
      throw new RegistryError('STORAGE')
    }
    await withConversions(store.blobs, { madeOf }).delete(source.digest)
    assert.deepEqual(await folder.files(), [])
  })

  test('are what is told of their image', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    const configJson = Buffer.from('{"os":"linux","architecture":"arm"}')
    const body = manifestOf([layer.bytes], { config: descriptorOf(configJson) })
    const [ofConfig, ofManifest] = [configJson, body].map((bytes) => ({
      bytes,
      digest: digestOf(bytes),
    })) as [Blob, Blob]
    for (const blob of [layer, ofConfig]) await put(store, blob)
    for (const [blob, type] of [
      [source, DOCKER_SCHEMA1],
      [ofManifest, DOCKER_MANIFEST],
    ] as const)
      await put(store, blob, type)
    await store.conversions.add(source.digest, { manifest: ofManifest.digest, config: ofConfig.digest })
    const inspected = (await store.inspect(source.digest))!
    assert.equal(inspected.digest, source.digest)
    assert.deepEqual(
      inspected.platforms.map(({ platform, digest, missing, parts }) => [
        platform,
        digest,
        missing,
        parts.length,
      ]),
      [['linux/arm', ofManifest.digest, [], 2]],
    )
  })

  test('are part of their image: purged with it, and no image of their own', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await addConverted(store)
    await tagged(store, NAME, '1', source.digest)
    const images = await store.catalogue.images(pattern('*'))
    assert.deepEqual(images.map(imageText), [`${NAME}:1`])
    const { objects } = await store.catalogue.purge(pattern(`${NAME}:1`), { dryRun: false })
    assert.equal(objects, 4)
    assert.deepEqual(await folder.files(), [])
  })
})

test('what is known of a layer goes with it', async () => {
  await using folder = await storeFolder()
  await using store = await folder.open()
  await store.layerFacts.add(layer.digest, facts)
  assert.equal(await store.layerFacts.of(layer.digest), undefined, 'it is not stored')
  await put(store, layer)
  await store.layerFacts.add(layer.digest, facts)
  assert.deepEqual(await store.layerFacts.of(layer.digest), facts)
  await store.blobs.delete(layer.digest)
  await put(store, layer)
  assert.equal(await store.layerFacts.of(layer.digest), undefined)
})
