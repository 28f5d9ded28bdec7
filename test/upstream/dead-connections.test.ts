import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { relay } from '../support/relay.ts'
import { bytesOf, connectTo } from './setup.ts'

const { bytes, digest } = blobOf(100_000)

test('FR-38 kept connections that have died unnoticed are given up, and the request is sent on a new one', async (t) => {
  await using upstream = await fakeUpstream()
  await using link = await relay(upstream.port)
  await using client = connectTo(link.url, { timeouts: { headers: 2_000 } })
  upstream.addBlob(bytes)
  const manifest = upstream.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
  const repository = client.repository()
  // undici closes a connection after a HEAD.
  const get = () => repository.manifest(manifest.digest)
  await Promise.all(Array.from({ length: 5 }, get))
  await bytesOf(await repository.blob(digest))

  await t.test('FR-38 metadata', async () => {
    link.freeze()
    const began = performance.now()
    const all = await Promise.all(Array.from({ length: 5 }, get))
    assert.ok(all.every((found) => found !== undefined))
    assert.ok(performance.now() - began > 500, 'the connections were silent')
    assert.ok(performance.now() - began < 1_900, 'within the deadline')
    const connections = link.connections
    for (let i = 0; i < 5; i++) assert.ok(await get())
    assert.ok(link.connections <= connections + 2, 'the dead connections are not used again')
  })
  await t.test('FR-38 a blob', async () => {
    await bytesOf(await repository.blob(digest))
    link.freeze()
    assert.deepEqual(await bytesOf(await repository.blob(digest)), bytes)
    assert.deepEqual(await bytesOf(await repository.blob(digest)), bytes)
  })
})

test('FR-38 a registry that is slow on a new connection is not asked twice', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url, { timeouts: { headers: 2_000 } })
  upstream.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
  upstream.on(/manifests/, { delayMs: 1_000 })
  assert.ok(await client.repository().resolve('v1'))
  assert.equal(upstream.count('HEAD', /manifests/), 1)
})

test('FR-38 a slow response on a kept connection is taken when it comes first', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url, { timeouts: { headers: 3_000 } })
  const { digest } = upstream.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
  await client.repository().manifest(digest)
  upstream.on(/manifests/, { delayMs: 1_200 }).on(/manifests/, { delayMs: Infinity })
  assert.ok(await client.repository().manifest(digest))
})

test('FR-38 blobs that may take longer than other responses are asked for once', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url, { timeouts: { headers: 500, blob: 5_000 } })
  upstream.addBlob(bytes)
  assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
  upstream.on(/blobs/, { delayMs: 1_000 })
  assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
  assert.equal(upstream.count('GET', /blobs/), 2)
})
