import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { DOCKER_SCHEMA1, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { referencesIn } from '../../src/oci/manifest.ts'
import { memoryStore } from '../support/memory-store.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, descriptorOf, indexOf, manifestOf } from '../support/fixtures.ts'
import { rig } from '../support/rig.ts'

const layers = [blobOf(100, 1), blobOf(200, 2)]
const bytes = layers.map((layer) => layer.bytes)
const digests = layers.map((layer) => layer.digest)
const manifest = manifestOf(bytes)
const config = descriptorOf(Buffer.from('{}'))
const json = (value: unknown) => Buffer.from(JSON.stringify(value))

suite('what a manifest refers to', () => {
  test('an image: its config and layers, each once', () => {
    const { blobs, digests: all } = referencesIn({ body: manifestOf([...bytes, bytes[0]!]) })
    assert.deepEqual(all, [config.digest, ...digests])
    assert.deepEqual(
      Array.from(blobs, ({ size }) => size),
      [2, 100, 200, 100],
    )
  })

  test('an index: its manifests, which are no blobs', () => {
    const index = indexOf([descriptorOf(manifest, OCI_MANIFEST)])
    assert.deepEqual(referencesIn({ body: index }), { blobs: [], digests: [descriptorOf(manifest).digest] })
  })

  test('an artifact: its blobs, and not its subject', () => {
    const artifact = json({ blobs: [descriptorOf(bytes[0]!)], subject: descriptorOf(manifest) })
    assert.deepEqual(referencesIn({ body: artifact }).digests, [digests[0]])
  })

  test('schema 1: its layers, whose size it does not tell', () => {
    const old = json({ schemaVersion: 1, fsLayers: digests.map((blobSum) => ({ blobSum })) })
    assert.deepEqual(referencesIn({ body: old }), { blobs: [], digests })
  })

  test('nothing, whatever else there is', () => {
    const nothing = { blobs: [], digests: [] }
    for (const text of [
      '',
      '{',
      'null',
      '[]',
      '7',
      '{"layers":{}}',
      '{"layers":[null,7,{"digest":"sha256:1"}]}',
    ])
      assert.deepEqual(referencesIn({ body: Buffer.from(text) }), nothing)
    fc.assert(
      fc.property(fc.jsonValue(), (value) => assert.deepEqual(referencesIn({ body: json(value) }), nothing)),
    )
  })
})

suite('references are recorded', () => {
  for (const [kind, body, mediaType, references] of [
    ['image', manifest, OCI_MANIFEST, [config.digest, ...digests]],
    ['index', indexOf([descriptorOf(manifest)]), OCI_INDEX, [descriptorOf(manifest).digest]],
    [
      'schema 1',
      json({ schemaVersion: 1, fsLayers: [{ blobSum: digests[0] }] }),
      DOCKER_SCHEMA1,
      [digests[0]],
    ],
  ] as const) {
    test(`when a manifest is stored: ${kind}`, async () => {
      await using upstream = await fakeUpstream()
      const store = memoryStore()
      await using proxy = await rig({ upstream, store })
      const { digest } = upstream.addManifest('library/app', 'latest', body, mediaType)
      await proxy.repository().tags.resolve('latest')
      assert.deepEqual(store.referencesOf(digest), references)
    })
  }

  test('when one is read that was stored before they were, once', async () => {
    await using upstream = await fakeUpstream()
    const store = memoryStore()
    const { digest } = upstream.addManifest('library/app', undefined, manifest, OCI_MANIFEST)
    let ignored = 0
    const ignore = { ...store.references, record: async () => void ignored++ }
    {
      await using before = await rig({ upstream, store: { ...store, references: ignore }, hot: true })
      await before.repository().manifests.get(digest)
      assert.equal(ignored, 1)
      await before.repository().manifests.get(digest)
      assert.equal(ignored, 1)
    }
    await using after = await rig({ upstream, store })
    await after.repository().manifests.get(digest)
    assert.deepEqual(store.referencesOf(digest), [config.digest, ...digests])
    assert.equal(upstream.count('GET', /manifests/), 1)
  })
})
