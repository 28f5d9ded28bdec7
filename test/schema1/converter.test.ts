import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Manifest } from '../../src/oci/descriptor.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED } from '../../src/oci/media-types.ts'
import type { Repository } from '../../src/ports/repository.ts'
import { conversions } from '../../src/schema1/conversion.ts'
import { type ConverterOptions, converter } from '../../src/schema1/converter.ts'
import { layerMeter } from '../../src/schema1/meter/layer-meter.ts'
import { storedLayers } from '../../src/schema1/stored-layers.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { schema1Payload, signed } from '../support/schema1.ts'
import { type OpenStore, put, storeFolder } from '../storage/setup.ts'

const NAME = { upstream: 'docker.io', name: 'library/old' }
const LAYERS = [1, 2, 3].map((seed) => gzipSync(blobOf(50_000, seed).bytes))

function manifestOf(layers: readonly Buffer[]): Manifest {
  const payload = schema1Payload(layers.map((blob) => ({ blob })))
  const body = signed(payload)
  return {
    descriptor: { mediaType: DOCKER_SCHEMA1_SIGNED, digest: digestOf(payload), size: body.length },
    body,
  }
}

/** A repository whose layers come into the store when they are opened. */
function repositoryOf(
  store: OpenStore,
  layers: readonly Buffer[] = LAYERS,
  before: (digest: Digest) => Promise<void> = async () => {},
) {
  const opened: Digest[] = []
  const blobs: Repository['blobs'] = {
    stat: (digest) => store.blobs.stat(digest),
    async open(digest) {
      opened.push(digest)
      await before(digest)
      const bytes = layers.find((layer) => digestOf(layer) === digest)
      if (bytes === undefined) return undefined
      await put(store, { bytes, digest })
      await store.links.add(NAME, digest)
      return store.blobs.open(digest)
    },
  }
  return { name: NAME, blobs, opened }
}

function converterOver(store: OpenStore, options: Partial<ConverterOptions> = {}) {
  const meter = layerMeter()
  const converting = converter({
    conversions: conversions({
      store,
      layers: storedLayers({
        blobs: store.blobs,
        links: store.links,
        facts: store.layerFacts,
        meter,
        downloaded: async () => {},
      }),
    }),
    ...options,
  })
  return {
    convert: converting.convert,
    async [Symbol.asyncDispose]() {
      await converting[Symbol.asyncDispose]()
      await meter[Symbol.asyncDispose]()
    },
  }
}

const failsWith = (code: string) => (error: unknown) => error instanceof RegistryError && error.code === code

describe('a conversion', () => {
  test('is kept with its source: payload, config and manifest are stored, and the repository may read them', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await using it = converterOver(store)
    const manifest = manifestOf(LAYERS)
    const digest = await it.convert(repositoryOf(store), manifest)
    const { config } = (await store.conversions.find(manifest.descriptor.digest))!
    for (const part of [manifest.descriptor.digest, digest, config]) {
      assert.ok(await store.blobs.stat(part), part)
      assert.ok(await store.links.has(NAME, part), part)
      assert.equal(await store.links.has({ ...NAME, name: 'library/other' }, part), false)
    }
    assert.equal((await store.blobs.stat(manifest.descriptor.digest))!.mediaType, DOCKER_SCHEMA1)
    assert.equal(await store.links.mediaType(NAME, manifest.descriptor.digest), DOCKER_SCHEMA1_SIGNED)
    assert.deepEqual(store.failed, [])
  })

  test('goes on when its clients have waited long enough, or have left, and is joined by those who come later', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await using it = converterOver(store, { patience: 20 })
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    const repository = repositoryOf(store, LAYERS, () => gate)
    const manifest = manifestOf(LAYERS)
    it.convert(repository, manifest).catch(() => {})
    await eventually(() => repository.opened.length === 3)
    await assert.rejects(
      it.convert(repository, manifest),
      ({ code, detail }: RegistryError) => code === 'CONVERTING' && detail['layers'] === '0 of 3',
    )
    const leaving = new AbortController()
    const left = it.convert(repository, manifest, { signal: leaving.signal })
    leaving.abort(new Error('left'))
    await assert.rejects(left, { message: 'left' })
    const joined = it.convert(repository, manifest)
    joined.catch(() => {})
    open()
    await eventually(async () => (await store.conversions.find(manifest.descriptor.digest)) !== undefined)
    const { manifest: digest } = (await store.conversions.find(manifest.descriptor.digest))!
    await eventually(async () => (await it.convert(repository, manifest)) === digest)
    assert.equal(repository.opened.length, 3)
  })

  test('does not read layers again that were done before the process ended', async () => {
    await using folder = await storeFolder()
    const manifest = manifestOf(LAYERS)
    const last = digestOf(LAYERS[0]!)
    {
      await using store = await folder.open()
      await using it = converterOver(store)
      const failing = repositoryOf(store, LAYERS, async (digest) => {
        if (digest !== last) return
        // The others have come.
        await eventually(async () => {
          const facts = await Promise.all(
            LAYERS.slice(1).map((layer) => store.layerFacts.of(digestOf(layer))),
          )
          return facts.every((one) => one !== undefined)
        })
        throw new RegistryError('UPSTREAM_UNAVAILABLE')
      })
      await assert.rejects(it.convert(failing, manifest), failsWith('UPSTREAM_UNAVAILABLE'))
    }
    await using store = await folder.open()
    await using it = converterOver(store)
    const repository = repositoryOf(store)
    await it.convert(repository, manifest)
    assert.deepEqual(repository.opened, [last])
  })

  test('is refused to a client that has many of them running, and to no other', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await using it = converterOver(store, { patience: 5 })
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    const repository = repositoryOf(store, LAYERS, () => gate)
    const distinct = Array.from({ length: 9 }, (_, i) => unsignedOf(`v${i}`))
    for (const image of distinct.slice(0, 8))
      await assert.rejects(it.convert(repository, image, { client: 'a' }), failsWith('CONVERTING'))
    await assert.rejects(it.convert(repository, distinct[8]!, { client: 'a' }), failsWith('TOOMANYREQUESTS'))
    await assert.rejects(it.convert(repository, distinct[0]!, { client: 'a' }), failsWith('CONVERTING'))
    await assert.rejects(it.convert(repository, distinct[8]!, { client: 'b' }), failsWith('CONVERTING'))
    open()
    await eventually(async () => {
      const found = await Promise.all(
        distinct.map(({ descriptor }) => store.conversions.find(descriptor.digest)),
      )
      return found.every((one) => one !== undefined)
    }, 20_000)
    await eventually(
      async () => typeof (await it.convert(repository, distinct[8]!, { client: 'a' })) === 'string',
    )
  })

  test('that is impossible is not tried again for a while; one that failed otherwise is', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await using it = converterOver(store)
    const cut = LAYERS[0]!.subarray(0, 20_000)
    const broken = repositoryOf(store, [cut])
    const manifest = manifestOf([cut])
    for (let i = 0; i < 2; i++)
      await assert.rejects(it.convert(broken, manifest), failsWith('UPSTREAM_INVALID'))
    assert.equal(broken.opened.length, 1)
    const absent = repositoryOf(store, [])
    for (let i = 0; i < 2; i++)
      await assert.rejects(it.convert(absent, manifestOf(LAYERS)), failsWith('MANIFEST_UNKNOWN'))
    assert.ok(absent.opened.length >= 2)
  })

  test('ends with the process', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    const it = converterOver(store)
    const { promise: opened, resolve } = Promise.withResolvers<void>()
    const repository = repositoryOf(store)
    const stuck: typeof repository = {
      ...repository,
      blobs: {
        ...repository.blobs,
        async open(digest) {
          const { promise, reject } = Promise.withResolvers<number>()
          resolve()
          return {
            descriptor: { mediaType: '', digest, size: 5 },
            read: () => promise,
            async [Symbol.asyncDispose]() {
              reject(new Error('disposed'))
            },
          }
        },
      },
    }
    const converting = it.convert(stuck, manifestOf(LAYERS))
    converting.catch(() => {})
    await opened
    await it[Symbol.asyncDispose]()
    await assert.rejects(converting, failsWith('UPSTREAM_UNAVAILABLE'))
  })
})

/** An image of one layer, another for each tag. */
function unsignedOf(tag: string): Manifest {
  const body = schema1Payload([{ blob: LAYERS[0]! }], { tag })
  return { descriptor: { mediaType: DOCKER_SCHEMA1, digest: digestOf(body), size: body.length }, body }
}
