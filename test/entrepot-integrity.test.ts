import assert from 'node:assert/strict'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { digestOf } from '../src/oci/digest.ts'
import { OCI_MANIFEST } from '../src/oci/media-types.ts'
import { fakeUpstream } from './support/fake-upstream.ts'
import { type Blob, blobOf, eventually, manifestOf } from './support/fixtures.ts'
import { type Proxy, startProxy } from './support/proxy.ts'
import { call } from './support/raw-client.ts'

const large = blobOf(5 * 1024 * 1024)
const small = blobOf(100_000)
const config = { storage: { root: './data', minFree: 0, verify: 'always' } }

async function rot({ folder }: Proxy, { bytes, digest }: Pick<Blob, 'bytes' | 'digest'>): Promise<void> {
  const hex = digest.slice(7)
  await using file = await open(join(folder, 'data/blobs/sha256', hex.slice(0, 2), hex), 'r+')
  await file.write(Buffer.from([bytes[50]! ^ 1]), 0, 1, 50)
}

async function corrupt({ adminUrl }: Proxy): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text()
  return Number(/entrepot_evictions_total\{reason="corrupt"\} (\d+)/.exec(text)?.[1] ?? 0)
}

suite('F65 bit rot in a cached blob', () => {
  test('that is sent already: the connection is destroyed before the end; the next answer is right', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream, config })
    upstream.addBlob(large.bytes)
    const path = `/v2/app/blobs/${large.digest}`
    const pull = () => call(proxy.port, 'GET', path)
    assert.equal(digestOf((await pull()).body), large.digest)
    await eventually(
      async () => (await call(proxy.port, 'GET', path)).headers['cache-status'] === 'entrepot; hit',
    )
    await rot(proxy, large)
    await assert.rejects(pull())
    assert.equal(digestOf((await pull()).body), large.digest)
    assert.equal(upstream.count('GET', /blobs/), 2)
    assert.equal(await corrupt(proxy), 1)
    assert.ok(proxy.log.some(({ msg, digest }) => /damaged/.test(String(msg)) && digest === large.digest))
  })

  test('found before anything is sent, in a small blob or for a range: the answer itself is right', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream, config })
    let found = 0
    for (const [blob, headers, status] of [
      [small, [], 200],
      [large, ['Range: bytes=1000-1999'], 206],
    ] as const) {
      upstream.addBlob(blob.bytes)
      const path = `/v2/app/blobs/${blob.digest}`
      await eventually(
        async () => (await call(proxy.port, 'GET', path)).headers['cache-status'] === 'entrepot; hit',
      )
      await rot(proxy, blob)
      const answer = await call(proxy.port, 'GET', path, [...headers])
      assert.equal(answer.status, status)
      const expected = status === 206 ? blob.bytes.subarray(1000, 2000) : blob.bytes
      assert.deepEqual(answer.body, expected)
      assert.match(answer.headers['cache-status']!, /fwd=uri-miss/)
      assert.equal(await corrupt(proxy), ++found)
    }
    await eventually(async () => (await proxy.openContent()).length === 0)
  })

  test('of a manifest: as long as it is in memory that is served, after it is fetched again', async () => {
    await using upstream = await fakeUpstream()
    await using first = await startProxy({ upstream, config })
    const body = manifestOf([small.bytes])
    const { digest } = upstream.addManifest('library/app', 'latest', body, OCI_MANIFEST)
    const pull = async ({ port }: Proxy) => (await call(port, 'GET', '/v2/app/manifests/latest')).body
    const gets = () => upstream.count('GET', `/v2/library/app/manifests/${digest}`)
    await pull(first)
    await rot(first, { bytes: body, digest })
    assert.deepEqual(await pull(first), body)
    assert.equal(gets(), 1)
    await first.stop()

    await using second = await startProxy({ upstream, config, folder: first.folder })
    assert.deepEqual(await pull(second), body)
    assert.equal(gets(), 2)
    assert.equal(await corrupt(second), 1)
  })
})

test('storage.scrub: all that is stored is verified when its time comes, and told', async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await startProxy({
    upstream,
    config: { storage: { root: './data', minFree: 0, scrub: '* * * * * *' } },
  })
  upstream.addBlob(small.bytes)
  const path = `/v2/app/blobs/${small.digest}`
  await eventually(
    async () => (await call(proxy.port, 'GET', path)).headers['cache-status'] === 'entrepot; hit',
  )
  await rot(proxy, small)
  const report = () =>
    proxy.log.find(({ msg, bad }) => /verified/.test(String(msg)) && Array.isArray(bad) && bad.length > 0)
  await eventually(() => report() !== undefined)
  assert.deepEqual(report()!['bad'], [
    {
      digest: small.digest,
      size: small.bytes.length,
      problem: 'wrong content',
      repositories: ['docker.io/library/app'],
    },
  ])
})
