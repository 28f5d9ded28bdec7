import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OCI_MANIFEST } from '../src/oci/media-types.ts'
import { fakeUpstream } from './support/fake-upstream.ts'
import { blobOf, manifestOf } from './support/fixtures.ts'
import { startProxy } from './support/proxy.ts'
import { call } from './support/raw-client.ts'

const KiB = 1024

test('what is pinned outlives any number of others that do not fit beside it', async () => {
  await using upstream = await fakeUpstream()
  const config = {
    storage: { root: './data', minFree: 0, maxSize: '1MiB' },
    cache: { pin: ['app:kept'] },
  }
  await using proxy = await startProxy({ upstream, config })
  const [kept, dropped, ...others] = Array.from({ length: 12 }, (_, i) => blobOf(200 * KiB, i + 1))
  for (const [tag, layer] of [
    ['kept', kept!],
    ['dropped', dropped!],
  ] as const) {
    upstream.addBlob(layer.bytes)
    upstream.addManifest('library/app', tag, manifestOf([layer.bytes]), OCI_MANIFEST)
    assert.equal((await call(proxy.port, 'GET', `/v2/app/manifests/${tag}`)).status, 200)
    assert.equal((await call(proxy.port, 'GET', `/v2/app/blobs/${layer.digest}`)).status, 200)
  }
  for (const { bytes, digest } of others) {
    upstream.addBlob(bytes)
    assert.equal((await call(proxy.port, 'GET', `/v2/other/blobs/${digest}`)).status, 200)
  }
  const statusOf = async (digest: string) =>
    (await call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)).headers['cache-status']
  assert.equal(await statusOf(kept!.digest), 'entrepot; hit')
  assert.notEqual(await statusOf(dropped!.digest), 'entrepot; hit')
})
