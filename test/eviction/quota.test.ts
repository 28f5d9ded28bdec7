import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Digest } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { filesystemStore } from '../../src/storage/filesystem-store.ts'
import { memoryStore } from '../support/memory-store.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { type Blob, blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { openReader, digestRead, rig } from '../support/rig.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { isStored, pull } from '../cache/pulled.ts'

const MiB = 1024 * 1024
const MINUTE = 60_000

/** A store in memory that notes how many bytes were committed at most. */
function countedStore() {
  const store = memoryStore()
  let most = 0
  return {
    ...store,
    most: () => most,
    blobs: {
      ...store.blobs,
      async ingest(expected: Parameters<typeof store.blobs.ingest>[0]) {
        const ingest = await store.blobs.ingest(expected)
        return {
          ...ingest,
          async commit() {
            const descriptor = await ingest.commit()
            most = Math.max(most, (await store.inventory.usage()).bytes)
            return descriptor
          },
        }
      },
    },
  }
}

async function storeIn(root: string, now: () => number) {
  const store = await filesystemStore({ root, now, telemetry: { evicted() {}, failed: assert.fail } })
  return { ...store, [Symbol.asyncDispose]: () => store.close() }
}

suite('quota', () => {
  test('16 clients on five times as much as fits: every pull is right, and what is committed always fits', async () => {
    await using upstream = await fakeUpstream()
    const store = countedStore()
    const maxSize = 2 * MiB
    const reasons: string[] = []
    await using proxy = await rig({
      upstream,
      store,
      quota: { maxSize },
      evicted: (reason) => reasons.push(reason),
      timeouts: { connect: 600_000, headers: 600_000, idle: 600_000 },
    })
    const blobs = Array.from({ length: 40 }, (_, i) => blobOf(200_000 + i * 5_000, i + 1))
    for (const { bytes } of blobs) upstream.addBlob(bytes)
    const client = async (number: number) => {
      for (let round = 0; round < 20; round++) {
        const { digest } = blobs[(number * 7 + round * 11) % blobs.length]!
        assert.equal(await digestRead(proxy.repository(), digest), digest)
      }
    }
    await Promise.all(Array.from({ length: 16 }, (_, number) => client(number)))
    assert.ok(store.most() <= maxSize, `${store.most()}`)
    assert.ok(store.most() > maxSize / 2, `${store.most()}`)
    assert.ok(reasons.length > 0 && reasons.every((reason) => reason === 'quota'))
  })

  for (const [what, sizeKnownFrom] of [
    ['its manifest', 'manifest'],
    ['its Content-Length', 'answer'],
  ] as const) {
    test(`a blob larger than the whole store (known from ${what}) passes through, and nothing is evicted for it`, async () => {
      await using upstream = await fakeUpstream()
      await using proxy = await rig({ upstream, quota: { maxSize: MiB } })
      const [small, huge] = [blobOf(500_000, 1), blobOf(2 * MiB, 2)]
      for (const { bytes } of [small, huge]) upstream.addBlob(bytes)
      await pull(proxy, small)
      if (sizeKnownFrom === 'manifest') {
        const body = manifestOf([huge.bytes])
        const { digest } = upstream.addManifest('library/app', undefined, body, OCI_MANIFEST)
        await proxy.repository().manifests.get(digest)
      }
      for (let i = 0; i < 2; i++) await pull(proxy, huge)
      assert.equal(await isStored(proxy, huge), false)
      assert.equal(await isStored(proxy, small), true)
    })
  }

  test('SEC-70: room is taken as bytes come: what comes whole is stored beside a download that has hardly begun', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream, quota: { maxSize: MiB }, roomTimeout: 50 })
    const [running, other] = [blobOf(600_000, 1), blobOf(600_001, 2)]
    for (const { bytes } of [running, other]) upstream.addBlob(bytes)
    const goOn = Promise.withResolvers<void>()
    upstream.on(new RegExp(running.digest), { atByte: { k: 1000, then: goOn.promise } })
    const first = digestRead(proxy.repository(), running.digest)
    await eventually(() => proxy.downloads.list().some(({ filled }) => filled > 0))
    assert.equal(await digestRead(proxy.repository(), other.digest), other.digest)
    await eventually(() => isStored(proxy, other))
    goOn.resolve()
    assert.equal(await first, running.digest)
    await eventually(async () => (await isStored(proxy, running)) !== (await isStored(proxy, other)))
  })

  for (const [what, promised] of [
    ['a descriptor', 'manifest'],
    ['a Content-Length', 'answer'],
  ] as const) {
    test(`SEC-70: the size that ${what} promises evicts nothing`, async () => {
      await using upstream = await fakeUpstream()
      await using proxy = await rig({
        upstream,
        quota: { maxSize: MiB },
        policy: { finishFrom: 1, finishBelow: 0 },
      })
      const [small, promisedBlob] = [blobOf(800_000, 1), blobOf(MiB - 1000, 2)]
      upstream.addBlob(small.bytes)
      await pull(proxy, small)
      proxy.now += 20 * MINUTE
      if (promised === 'manifest') {
        const body = manifestOf([promisedBlob.bytes])
        const { digest } = upstream.addManifest('library/app', undefined, body, OCI_MANIFEST)
        await proxy.repository().manifests.get(digest)
        assert.equal(await proxy.repository().blobs.open(promisedBlob.digest), undefined)
      } else {
        upstream.addBlob(promisedBlob.bytes)
        upstream.on(new RegExp(promisedBlob.digest), { atByte: { k: 1000, then: 'stall' } })
        const reader = await openReader(proxy.repository(), promisedBlob.digest)
        await eventually(() => proxy.downloads.list().some(({ filled }) => filled > 0))
        await reader[Symbol.asyncDispose]()
      }
      assert.equal(await isStored(proxy, small), true)
    })
  }

  test('two downloads that wait for the room of each other: the younger one gives way, at once', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream, quota: { maxSize: MiB }, roomTimeout: 600_000 })
    const [older, younger] = [blobOf(900_000, 1), blobOf(900_001, 2)]
    for (const { bytes } of [older, younger]) upstream.addBlob(bytes)
    const [goOn, start] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    upstream.on(new RegExp(older.digest), { atByte: { k: 500_000, then: goOn.promise } })
    upstream.on(new RegExp(younger.digest), { atByte: { k: 500_000, then: start.promise } })
    const pulls = [digestRead(proxy.repository(), older.digest)]
    await eventually(() => proxy.downloads.list().some(({ filled }) => filled >= 400_000))
    pulls.push(digestRead(proxy.repository(), younger.digest))
    await eventually(() => proxy.downloads.list().filter(({ filled }) => filled >= 400_000).length === 2)
    goOn.resolve()
    start.resolve()
    assert.deepEqual(await Promise.all(pulls), [older.digest, younger.digest])
    await eventually(() => isStored(proxy, older))
    assert.equal(await isStored(proxy, younger), false)
  })

  test('F53 a herd that has to wait for the room of a running transfer costs one download', async () => {
    await using upstream = await fakeUpstream()
    // No deadline of the rig is to end a wait or a request here, however busy the machine is.
    await using proxy = await rig({
      upstream,
      quota: { maxSize: MiB },
      roomTimeout: 600_000,
      timeouts: { connect: 600_000, headers: 600_000, idle: 600_000 },
    })
    const [running, other] = [blobOf(600_000, 1), blobOf(600_001, 2)]
    for (const { bytes } of [running, other]) upstream.addBlob(bytes)
    const goOn = Promise.withResolvers<void>()
    // It has all the room that it needs: of two that hold some and wait for each other, one gives way.
    upstream.on(new RegExp(running.digest), { atByte: { k: 599_000, then: goOn.promise } })
    const first = digestRead(proxy.repository(), running.digest)
    await eventually(() => proxy.downloads.list().some(({ filled }) => filled === 599_000), 60_000)
    const herd = Array.from({ length: 8 }, () => digestRead(proxy.repository(), other.digest))
    await eventually(() => upstream.count('GET', new RegExp(other.digest)) > 0)
    goOn.resolve()
    for (const digest of await Promise.all(herd)) assert.equal(digest, other.digest)
    assert.equal(await first, running.digest)
    assert.equal(upstream.count('GET', new RegExp(other.digest)), 1)
  })

  test('room that was reserved is free again after a transfer that failed, and after one whose clients left', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({
      upstream,
      quota: { maxSize: MiB },
      policy: { finishFrom: 1, finishBelow: 0 },
    })
    const [bad, left, good] = [blobOf(900_000, 1), blobOf(900_000, 2), blobOf(900_000, 3)]
    for (const { bytes } of [bad, left, good]) upstream.addBlob(bytes)
    upstream.on(new RegExp(bad.digest), { flipByte: 5 })
    upstream.on(new RegExp(left.digest), { atByte: { k: 1000, then: 'stall' } })
    await assert.rejects(digestRead(proxy.repository(), bad.digest))
    const reader = await openReader(proxy.repository(), left.digest)
    await reader[Symbol.asyncDispose]()
    await eventually(() => proxy.downloads.list().length === 0)
    await eventually(async () => {
      await pull(proxy, good)
      return isStored(proxy, good)
    })
  })

  test('content of which nobody says how long it is has room as well', async () => {
    await using upstream = await fakeUpstream()
    const store = countedStore()
    await using proxy = await rig({ upstream, store, quota: { maxSize: MiB } })
    const blobs = [blobOf(600_000, 1), blobOf(700_000, 2)]
    for (const { bytes } of blobs) upstream.addBlob(bytes)
    upstream.on(/blobs/, { contentLength: 'chunked', times: 9 })
    for (const blob of blobs) await pull(proxy, blob)
    assert.equal(await isStored(proxy, blobs[1]!), true)
    assert.equal(store.most(), 700_000)
  })
})

suite('what eviction leaves', () => {
  test('pinned content stays, expired or not, and when there is no room without it other content passes through', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream, quota: { maxSize: MiB } })
    const [pinned, other] = [blobOf(800_000, 1), blobOf(300_000, 2)]
    for (const { bytes } of [pinned, other]) upstream.addBlob(bytes)
    await pull(proxy, pinned)
    proxy.pinned.add(pinned.digest)
    await pull(proxy, other)
    proxy.now += 30 * 86_400_000
    await proxy.evictor.sweep()
    assert.equal(await isStored(proxy, pinned), true)
    assert.equal(await isStored(proxy, other), false)
    proxy.pinned.clear()
    await proxy.evictor.sweep()
    assert.equal(await isStored(proxy, pinned), false)
  })

  test('what is still served under its tag goes before what vanished upstream', async () => {
    await using upstream = await fakeUpstream()
    const clock = { now: Date.now() }
    const store = memoryStore(() => clock.now)
    await using proxy = await rig({ upstream, store, quota: { maxSize: 9_000 } })
    const later = () => {
      clock.now += 20 * MINUTE
      proxy.now = clock.now
    }
    const gone = manifestOf([], { annotations: { padding: 'x'.repeat(4_000) } })
    const { digest } = upstream.addManifest('library/app', 'gone', gone, OCI_MANIFEST)
    const { tags, manifests } = proxy.repository()
    assert.equal(await tags.resolve('gone'), digest)
    later()
    upstream.on(/manifests\/gone/, { status: 404, times: 2 })
    assert.equal(await tags.resolve('gone'), undefined)
    for (const [i, size] of [4_000, 4_001].entries()) {
      later()
      const blob = blobOf(size, i + 1)
      upstream.addBlob(blob.bytes)
      await pull(proxy, blob)
    }
    const before = upstream.count('GET', /manifests/)
    assert.ok(await manifests.get(digest))
    assert.equal(upstream.count('GET', /manifests/), before)
    assert.equal(await isStored(proxy, blobOf(4_000, 1)), false)
  })

  test('F71 evicted while a transfer runs and after its manifest was served: it is fetched again, and the reader sees nothing', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const [layer, config] = [blobOf(MiB, 1), blobOf(1000, 2)]
    for (const { bytes } of [layer, config]) upstream.addBlob(bytes)
    const body = manifestOf([layer.bytes, config.bytes])
    const { digest } = upstream.addManifest('library/app', 'latest', body, OCI_MANIFEST)
    const { tags, manifests } = proxy.repository()
    await pull(proxy, config)
    assert.equal(await tags.resolve('latest'), digest)
    const goOn = Promise.withResolvers<void>()
    upstream.on(new RegExp(layer.digest), { atByte: { k: 1000, then: goOn.promise } })
    const reading = digestRead(proxy.repository(), layer.digest)
    await eventually(() => proxy.downloads.list().some(({ filled }) => filled > 0))
    proxy.now += 30 * 86_400_000
    await proxy.evictor.sweep()
    assert.equal((await proxy.store.inventory.usage()).objects, 0)
    goOn.resolve()
    assert.equal(await reading, layer.digest)
    assert.equal(await digestRead(proxy.repository(), config.digest), config.digest)
    assert.deepEqual((await manifests.get(digest))?.body, body)
  })

  test('F72 distribution#2367: two repositories share a layer, one image is evicted, the other still answers whole', async () => {
    await using upstream = await fakeUpstream()
    const clock = { now: Date.now() }
    await using folder = await tempFolder()
    await using store = await storeIn(folder.path, () => clock.now)
    await using proxy = await rig({ upstream, store })
    const [shared, own] = [blobOf(100_000, 1), blobOf(50_000, 2)]
    for (const { bytes } of [shared, own]) upstream.addBlob(bytes)
    const images = new Map<string, { readonly digest: Digest; readonly layers: readonly Blob[] }>()
    for (const [name, layers] of [
      ['library/old', [shared, own]],
      ['library/used', [shared]],
    ] as const) {
      const body = manifestOf(
        layers.map(({ bytes }) => bytes),
        { annotations: { name } },
      )
      images.set(name, { ...upstream.addManifest(name, 'latest', body, OCI_MANIFEST), layers })
    }
    const pullImage = async (name: string) => {
      const { digest, layers } = images.get(name)!
      const repository = proxy.repository(name)
      assert.equal(await repository.tags.resolve('latest'), digest)
      assert.equal((await repository.manifests.get(digest))?.descriptor.digest, digest)
      for (const layer of layers) assert.equal(await digestRead(repository, layer.digest), layer.digest)
      await eventually(() => proxy.downloads.list().length === 0)
    }
    for (const name of images.keys()) await pullImage(name)
    clock.now = proxy.now += 5 * 86_400_000
    await pullImage('library/used')
    clock.now = proxy.now += 5 * 86_400_000
    await proxy.evictor.sweep()
    assert.equal(await isStored(proxy, own), false)
    assert.equal(await isStored(proxy, { ...own, digest: images.get('library/old')!.digest }), false)
    const before = upstream.count('GET', /blobs/)
    await pullImage('library/used')
    assert.equal(upstream.count('GET', /blobs/), before)
    await pullImage('library/old')
    assert.equal(upstream.count('GET', new RegExp(`blobs/${shared.digest}`)), 1)
  })
})
