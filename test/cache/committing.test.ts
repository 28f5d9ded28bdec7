import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BlobIngest } from '../../src/ports/blob-store.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf } from '../support/fixtures.ts'
import { memoryStore } from '../support/memory-store.ts'
import { readBlob, rig } from '../support/rig.ts'

const layer = blobOf(300_000)

test('FR-07: the size of a blob that is being committed is known, of an upstream that never tells it too', async () => {
  await using upstream = await fakeUpstream({ ranges: false })
  upstream.addBlob(layer.bytes)
  upstream.on(/blobs/, { contentLength: 'chunked', times: Infinity })
  const store = memoryStore()
  const { promise, resolve } = Promise.withResolvers<void>()
  const waiting = (real: BlobIngest): BlobIngest =>
    new Proxy(real, {
      get: (target, key) =>
        key === 'commit' ? () => promise.then(() => target.commit()) : Reflect.get(target, key),
    })
  const ingest: typeof store.blobs.ingest = async (expected) => waiting(await store.blobs.ingest(expected))
  await using proxy = await rig({ upstream, store: { ...store, blobs: { ...store.blobs, ingest } } })
  const repository = proxy.repository()
  await assert.rejects(async () => repository.blobs.stat(layer.digest), { code: 'UPSTREAM_INVALID' })
  assert.deepEqual(await readBlob(repository, layer.digest), layer.bytes)
  assert.equal(await store.blobs.stat(layer.digest), undefined)
  assert.equal((await repository.blobs.stat(layer.digest))?.size, layer.bytes.length)
  // Another repository has to show that it may read it.
  await assert.rejects(async () => proxy.repository('library/other').blobs.stat(layer.digest), {
    code: 'UPSTREAM_INVALID',
  })
  resolve()
  await proxy.downloads.ended('fake', layer.digest)
  assert.equal((await repository.blobs.stat(layer.digest))?.size, layer.bytes.length)
})
