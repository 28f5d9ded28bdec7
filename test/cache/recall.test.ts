/** What is answered from memory, without asking anybody. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { CacheStatus } from '../../src/ports/read-options.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { readBlob, rig } from '../support/rig.ts'

const { bytes, digest } = blobOf(5000)
const manifest = manifestOf([bytes])

const never = ({ result }: CacheStatus) => assert.fail(result)

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

describe('recalling', () => {
  test('tag, manifest and blob, with how fresh the tag is', async () => {
    await using world = await pulled()
    const { repository, manifestDigest } = world
    const told: CacheStatus[] = []
    const report = (status: CacheStatus) => void told.push(status)
    assert.equal(repository.tags.recall?.('latest', report), manifestDigest)
    assert.deepEqual(repository.manifests.recall?.(manifestDigest, report)?.body, manifest)
    assert.deepEqual(repository.blobs.recall?.(digest, report)?.bytes, bytes)
    assert.deepEqual(told, [{ result: 'hit', ttl: 60 }, { result: 'hit' }, { result: 'hit' }])
  })

  test('no tag past its freshness', async () => {
    await using world = await pulled()
    world.proxy.now += 60_000
    assert.equal(world.repository.tags.recall?.('latest', never), undefined)
  })

  test('no blob as a manifest', async () => {
    await using world = await pulled()
    assert.equal(world.repository.manifests.recall?.(digest, never), undefined)
  })

  test('SEC-20 nothing for a repository that was not seen to contain it', async () => {
    await using world = await pulled()
    const { proxy, manifestDigest } = world
    const { tags, manifests, blobs } = proxy.repository('library/other')
    assert.equal(tags.recall?.('latest', never), undefined)
    assert.equal(manifests.recall?.(manifestDigest, never), undefined)
    assert.equal(blobs.recall?.(digest, never), undefined)
  })

  test('SEC-21 nothing that was removed', async () => {
    await using world = await pulled()
    const { proxy, repository, manifestDigest } = world
    await proxy.content.delete(digest, manifestDigest)
    assert.equal(repository.manifests.recall?.(manifestDigest, never), undefined)
    assert.equal(repository.blobs.recall?.(digest, never), undefined)
  })
})
