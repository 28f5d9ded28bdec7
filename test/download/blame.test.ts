import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Digest } from '../../src/oci/digest.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { digestRead, openReader, readFrom, rig } from '../support/rig.ts'

const MiB = 1024 * 1024

suite('SEC-72 whom a failed download is held against', () => {
  test('SEC-72 F43 clients that leave before upstream answers say nothing about it', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream, timeouts: { headers: 20_000 } })
    const good = blobOf(1000, 100)
    upstream.addBlob(good.bytes)
    upstream.on(/slow/, { delayMs: Infinity, times: Infinity })
    for (let i = 0; i < 12; i++) {
      const leave = new AbortController()
      const { digest } = blobOf(100, i)
      const reading = openReader(proxy.repository('slow'), digest, { signal: leave.signal })
      await eventually(() => upstream.count('GET', /slow/) === i + 1)
      leave.abort()
      await assert.rejects(reading)
      await eventually(() => proxy.downloads.list().length === 0)
    }
    assert.equal(await digestRead(proxy.repository('other'), good.digest), good.digest)
  })

  test('SEC-72 a manifest that states a wrong size keeps a blob from its own repository alone', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { digest, manifest } = addLayerOfWrongSize(upstream)
    const [evil, good] = [proxy.repository('evil'), proxy.repository('good')]
    assert.ok(await evil.manifests.get(manifest))
    for (let i = 0; i < 3; i++) {
      await assert.rejects(digestRead(evil, digest), (error) => isRegistryError(error, 'UPSTREAM_INVALID'))
    }
    assert.equal(upstream.count('GET', /evil.blobs/), 2, 'it is left alone for a while')
    assert.equal(await digestRead(good, digest), digest)
  })

  test('SEC-72 who joins the download of a repository that states a wrong size gets the blob', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { digest, manifest } = addLayerOfWrongSize(upstream)
    const [evil, good] = [proxy.repository('evil'), proxy.repository('good')]
    assert.ok(await evil.manifests.get(manifest))
    const answer = Promise.withResolvers<void>()
    upstream.on(/evil.blobs/, { after: answer.promise, method: 'GET' })
    const refused = assert.rejects(digestRead(evil, digest))
    await eventually(() => upstream.count('GET', /evil.blobs/) === 1)
    const joined = digestRead(good, digest)
    await eventually(() => proxy.downloads.list()[0]?.followers === 2)
    answer.resolve()
    await refused
    assert.equal(await joined, digest)
  })

  test('a download that ends while it waits to try again fails as every other', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream, policy: { retryDelay: 60_000 } })
    const { bytes, digest } = blobOf(2 * MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { atByte: { k: MiB, then: 'finish' } })
    await using reader = await openReader(proxy.repository(), digest)
    await readFrom(reader, 0, MiB)
    const rest = readFrom(reader, MiB, 2 * MiB)
    await eventually(() => proxy.downloads.list()[0]?.connections === 1)
    await proxy.downloads[Symbol.asyncDispose]()
    await assert.rejects(rest, (error) => isRegistryError(error, 'UPSTREAM_UNAVAILABLE'))
  })
})

/** Adds a blob, and a manifest of the repository `evil` that says it is a byte longer. */
function addLayerOfWrongSize(upstream: FakeUpstream): { digest: Digest; manifest: Digest } {
  const { bytes, digest } = blobOf(MiB)
  upstream.addBlob(bytes)
  const lie = JSON.parse(manifestOf([bytes]).toString()) as { layers: { size: number }[] }
  lie.layers[0]!.size += 1
  const body = Buffer.from(JSON.stringify(lie))
  return { digest, manifest: upstream.addManifest('evil', 'v1', body, OCI_MANIFEST).digest }
}
