import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, descriptorOf, manifestOf } from '../support/fixtures.ts'
import { readBlob, rig } from '../support/rig.ts'

test('SEC-21 of content that was removed no descriptor, link or answer is left, in any repository', async () => {
  await using upstream = await fakeUpstream()
  const { bytes, digest } = blobOf(5000)
  upstream.addBlob(bytes)
  const manifest = manifestOf([bytes])
  const { digest: manifestDigest } = descriptorOf(manifest)
  const names = ['library/a', 'library/b']
  for (const name of names) upstream.addManifest(name, 'latest', manifest, OCI_MANIFEST)
  await using proxy = await rig({ upstream })
  for (const name of names) {
    const { manifests } = proxy.repository(name)
    assert.deepEqual((await manifests.get(manifestDigest))?.body, manifest)
    assert.deepEqual(await readBlob(proxy.repository(name), digest), bytes)
  }
  await upstream.stop()
  for (const one of [digest, manifestDigest]) await proxy.store.blobs.delete(one)
  for (const name of names) {
    const { blobs, manifests } = proxy.repository(name)
    await assert.rejects(async () => blobs.stat(digest))
    await assert.rejects(async () => blobs.open(digest))
    await assert.rejects(async () => manifests.get(manifestDigest))
  }
})
