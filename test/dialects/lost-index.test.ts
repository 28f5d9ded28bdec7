/** The index is lost, and with it which upstream sent what. Proof by bytes spares the downloads. */
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { Digest } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { type Blob, blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'
import { tempFolder } from '../support/temp-folder.ts'

const big = blobOf(4 * 1024 * 1024, 1)
const small = blobOf(20_000, 2)
const manifest = manifestOf([big.bytes, small.bytes])
const at = (digest: Digest): string => `/v2/library/app/blobs/${digest}`

async function pull(proxy: Proxy): Promise<void> {
  assert.equal((await call(proxy.port, 'GET', '/v2/library/app/manifests/latest')).status, 200)
  for (const { digest, bytes } of [big, small]) {
    const answer = await call(proxy.port, 'GET', at(digest))
    assert.ok(answer.body.equals(bytes), `${answer.status}`)
  }
}

async function withImage(): Promise<FakeUpstream> {
  const upstream = await fakeUpstream()
  upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
  for (const { bytes } of [big, small]) upstream.addBlob(bytes)
  return upstream
}

/** A store of that image whose index is lost, with a proxy that has found all its files. */
async function lost(folder: string, upstream: FakeUpstream, url = upstream.url): Promise<Proxy> {
  {
    await using proxy = await startProxy({ upstream, folder })
    await pull(proxy)
    await stored(proxy)
  }
  for (const suffix of ['', '-wal', '-shm'])
    await rm(join(folder, 'data', `index.sqlite${suffix}`), { force: true })
  upstream.requests.length = 0
  const proxy = await startProxy({ upstream: { url }, folder })
  await stored(proxy)
  return proxy
}

async function stored(proxy: Proxy): Promise<void> {
  await eventually(async () => {
    const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
    return /^entrepot_store_objects(?:\{[^}]*\})? 3$/m.test(metrics)
  }, 20_000)
}

suite('FR-42 the index is lost', () => {
  test('FR-42 nothing is downloaded again, and the next pull asks for nothing', async () => {
    await using folder = await tempFolder()
    await using upstream = await withImage()
    await using proxy = await lost(folder.path, upstream)
    await pull(proxy)
    assert.ok(upstream.bodyBytes(/blobs/) < 100_000, `${upstream.bodyBytes(/blobs/)} bytes`)
    const asked = upstream.requests.length
    await pull(proxy)
    assert.equal(upstream.requests.length, asked)
  })

  test('FR-42 a repository that does not contain it gets nothing', async () => {
    await using folder = await tempFolder()
    await using upstream = await withImage()
    await using proxy = await lost(folder.path, upstream)
    upstream.on(/\/v2\/library\/other\//, { status: 404, times: Infinity })
    assert.equal((await call(proxy.port, 'GET', `/v2/library/other/blobs/${big.digest}`)).status, 404)
    assert.equal((await call(proxy.port, 'HEAD', `/v2/library/other/blobs/${big.digest}`)).status, 404)
  })

  const liars: Record<string, (upstream: FakeUpstream, blob: Blob) => void> = {
    'other bytes': (upstream, { digest, bytes }) =>
      upstream.content.blobs.set(digest, Buffer.from(bytes.map((byte) => byte ^ 1))),
    'one byte less': (upstream, { digest, bytes }) => upstream.content.blobs.set(digest, bytes.subarray(1)),
    'no range': (upstream, { digest }) => {
      upstream.content.blobs.set(digest, Buffer.alloc(100))
      upstream.on(/blobs/, { status: 200, times: Infinity })
    },
  }
  for (const [what, lie] of Object.entries(liars)) {
    test(`FR-42 SEC-20 an upstream that sends ${what} for it proves nothing`, async () => {
      await using folder = await tempFolder()
      await using upstream = await withImage()
      await using evil = await fakeUpstream()
      lie(evil, big)
      await using proxy = await lost(folder.path, upstream, evil.url)
      const answer = await call(proxy.port, 'GET', at(big.digest)).catch((error: Error) => error)
      assert.ok(answer instanceof Error || answer.status === 502, String(answer))
    })
  }
})
