/** What is answered from memory: at once, without a promise. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { isInMemory } from '../../src/ports/blob-store.ts'
import type { CacheStatus } from '../../src/ports/read-options.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { readBlob, rig } from '../support/rig.ts'

const { bytes, digest } = blobOf(5000)
const manifest = manifestOf([bytes])

async function pulled() {
  await using stack = new AsyncDisposableStack()
  const upstream = stack.use(await fakeUpstream())
  upstream.addBlob(bytes)
  const { digest: manifestDigest } = upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
  const proxy = stack.use(await rig({ upstream, hot: true }))
  const repository = proxy.repository()
  await repository.tags.resolve('latest')
  for (let i = 0; i < 2; i++) {
    await repository.tags.resolve('latest')
    await repository.manifests.get(manifestDigest)
    assert.deepEqual(await readBlob(repository, digest), bytes)
  }
  const open = stack.move()
  return { upstream, proxy, repository, manifestDigest, [Symbol.asyncDispose]: () => open.disposeAsync() }
}

describe('warm answers', () => {
  test('tag, manifest and blob are there at once, with how fresh the tag is', async () => {
    await using world = await pulled()
    const { repository, manifestDigest } = world
    const told: CacheStatus[] = []
    const asking = { report: (status: CacheStatus) => void told.push(status) }
    assert.equal(repository.tags.resolve('latest', asking), manifestDigest)
    assert.deepEqual(atOnce(repository.manifests.get(manifestDigest, asking))?.body, manifest)
    assert.deepEqual(atOnce(repository.blobs.stat(digest, asking))?.size, bytes.length)
    const blob = atOnce(repository.blobs.open(digest, asking))
    assert.deepEqual(blob && isInMemory(blob) && blob.bytes, bytes)
    assert.deepEqual(told, [
      { result: 'hit', ttl: 60 },
      { result: 'hit' },
      { result: 'hit' },
      { result: 'hit' },
    ])
  })

  test('no tag past its freshness', async () => {
    await using world = await pulled()
    world.proxy.now += 60_000
    const resolving = world.repository.tags.resolve('latest')
    assert.ok(resolving instanceof Promise)
    assert.equal(await resolving, world.manifestDigest)
  })

  test('no blob as a manifest', async () => {
    await using world = await pulled()
    assert.equal(await world.repository.manifests.get(digest), undefined)
  })

  test('SEC-20 nothing for a repository that was not seen to contain it, without upstream’s word', async () => {
    await using world = await pulled()
    const { proxy, manifestDigest } = world
    const { tags, manifests, blobs } = proxy.repository('library/other')
    assert.equal(await tags.resolve('latest'), undefined)
    assert.equal(await manifests.get(manifestDigest), undefined)
    world.upstream.on(`/v2/library/other/blobs/${digest}`, { status: 404, times: Infinity })
    assert.equal(await blobs.open(digest), undefined)
    assert.equal(await blobs.stat(digest), undefined)
  })

  test('SEC-21 nothing that was removed', async () => {
    await using world = await pulled()
    const { proxy, repository, manifestDigest } = world
    await proxy.content.delete(digest, manifestDigest)
    await world.upstream.stop()
    await assert.rejects(async () => repository.manifests.get(manifestDigest))
    await assert.rejects(async () => repository.blobs.open(digest))
  })
})

function atOnce<T>(answer: T | Promise<T>): T {
  assert.ok(!(answer instanceof Promise))
  return answer
}
