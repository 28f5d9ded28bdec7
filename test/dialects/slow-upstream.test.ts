/** An upstream that stores or scans a blob before it sends its first byte. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { call, RawClient } from '../support/raw-client.ts'

// Too large to be finished for its own sake.
const { bytes, digest } = blobOf(2 * 1024 * 1024)
const BLOB = `/v2/library/app/blobs/${digest}`
const LATEST = '/v2/library/app/manifests/latest'
const policy = { transfers: { finishBelow: 0, finishFrom: 1 } }

async function slow(options: { blob?: string } = {}) {
  const upstream = await fakeUpstream()
  const scanned = Promise.withResolvers<void>()
  upstream.addManifest('library/app', 'latest', manifestOf([bytes]), OCI_MANIFEST)
  upstream.addBlob(bytes)
  const proxy = await startProxy({
    upstream,
    upstreamConfig: { timeouts: { connect: '1s', headers: '300ms', idle: '5s', ...options } },
    config: policy,
  })
  return {
    upstream,
    proxy,
    scanned,
    async [Symbol.asyncDispose]() {
      scanned.resolve()
      await proxy[Symbol.asyncDispose]()
      await upstream[Symbol.asyncDispose]()
    },
  }
}

/** The head of the answer, once it is there. */
async function headOf(client: RawClient): Promise<string> {
  await client.received(1)
  return client.peek().toString('latin1')
}

async function transfers(proxy: Proxy): Promise<readonly { followers: number }[]> {
  const answer = await fetch(`${proxy.adminUrl}/api/v1/transfers`)
  return ((await answer.json()) as { transfers: { followers: number }[] }).transfers
}

async function running(proxy: Proxy): Promise<number> {
  return (await transfers(proxy)).length
}

suite('with timeouts.blob', () => {
  test('FR-21 the headers come before the first byte, and the body when it comes', async () => {
    await using world = await slow({ blob: '60s' })
    const { upstream, proxy, scanned } = world
    await call(proxy.port, 'GET', LATEST)
    upstream.on(/blobs/, { after: scanned.promise })
    using client = await RawClient.connect(proxy.port)
    client.request('GET', BLOB)
    const head = await headOf(client)
    assert.match(head, /^HTTP\/1\.1 200 /)
    assert.match(head, new RegExp(`content-length: ${bytes.length}`, 'i'))
    scanned.resolve()
    assert.ok((await client.response()).body.equals(bytes))
  })

  test('FR-21 a range as well', async () => {
    await using world = await slow({ blob: '60s' })
    const { upstream, proxy, scanned } = world
    await call(proxy.port, 'GET', LATEST)
    upstream.on(/blobs/, { after: scanned.promise, times: 9 })
    using client = await RawClient.connect(proxy.port)
    client.request('GET', BLOB, ['Range: bytes=10-19'])
    assert.match(await headOf(client), /^HTTP\/1\.1 206 /)
    scanned.resolve()
    assert.ok((await client.response()).body.equals(bytes.subarray(10, 20)))
  })

  test('FR-21 the download outlives its clients, and whoever comes again joins it', async () => {
    await using world = await slow({ blob: '60s' })
    const { upstream, proxy, scanned } = world
    await call(proxy.port, 'GET', LATEST)
    upstream.on(/blobs/, { after: scanned.promise })
    for (let attempt = 0; attempt < 3; attempt++) {
      using client = await RawClient.connect(proxy.port)
      client.request('GET', BLOB)
      await headOf(client)
    }
    assert.equal(await running(proxy), 1)
    const last = call(proxy.port, 'GET', BLOB)
    scanned.resolve()
    assert.ok((await last).body.equals(bytes))
    assert.equal(upstream.count('GET', /blobs/), 1)
  })

  test('FR-21 a 404 after that ends in a broken body, and before it is a 404', async () => {
    await using world = await slow({ blob: '60s' })
    const { upstream, proxy, scanned } = world
    await call(proxy.port, 'GET', LATEST)
    upstream.on(/blobs/, { after: scanned.promise, status: 404, times: Infinity })
    using client = await RawClient.connect(proxy.port)
    client.request('GET', BLOB, ['Connection: close'])
    await headOf(client)
    scanned.resolve()
    const answer = (await client.rest()).toString('latin1')
    assert.match(answer, /^HTTP\/1\.1 200 /)
    assert.ok(answer.indexOf('\r\n\r\n') + 4 === answer.length, 'no byte of a body')
    assert.equal((await call(proxy.port, 'GET', BLOB)).status, 404)
  })

  test('FR-21 it waits as long as timeouts.blob says, and no longer', async () => {
    await using world = await slow({ blob: '900ms' })
    const { upstream, proxy, scanned } = world
    await call(proxy.port, 'GET', LATEST)
    upstream.on(/blobs/, { after: scanned.promise, times: Infinity })
    using client = await RawClient.connect(proxy.port)
    client.request('GET', BLOB, ['Connection: close'])
    assert.match((await client.rest()).toString('latin1'), /^HTTP\/1\.1 200 .*\r\n\r\n$/s)
    await eventually(async () => (await running(proxy)) === 0)
  })

  test('SEC-72 FR-21 nobody is promised what only the manifest of another repository says', async () => {
    await using world = await slow({ blob: '60s' })
    const { upstream, proxy, scanned } = world
    const lie = JSON.parse(manifestOf([bytes]).toString()) as { layers: { size: number }[] }
    lie.layers[0]!.size += 1
    upstream.addManifest('evil/app', 'latest', Buffer.from(JSON.stringify(lie)), OCI_MANIFEST)
    for (const path of [LATEST, '/v2/evil/app/manifests/latest']) await call(proxy.port, 'GET', path)
    upstream.on(/evil.app.blobs/, { after: scanned.promise, method: 'GET', times: Infinity })
    using first = await RawClient.connect(proxy.port)
    first.request('GET', `/v2/evil/app/blobs/${digest}`, ['Connection: close'])
    // It is promised.
    assert.match(await headOf(first), new RegExp(`content-length: ${bytes.length + 1}`, 'i'))
    const joined = call(proxy.port, 'GET', BLOB)
    await eventually(async () => (await transfers(proxy))[0]?.followers === 2)
    scanned.resolve()
    const { status, body } = await joined
    assert.deepEqual([status, body.length], [200, bytes.length])
    assert.ok(body.equals(bytes))
  })

  test('FR-21 without a manifest nothing is promised', async () => {
    await using world = await slow({ blob: '900ms' })
    const { upstream, proxy, scanned } = world
    upstream.on(/blobs/, { after: scanned.promise, times: Infinity })
    assert.equal((await call(proxy.port, 'GET', BLOB)).status, 504)
  })
})

test('FR-21 without timeouts.blob it is a 504 after headers, so that clients fall back', async () => {
  await using world = await slow()
  const { upstream, proxy, scanned } = world
  await call(proxy.port, 'GET', LATEST)
  upstream.on(/blobs/, { after: scanned.promise, times: Infinity })
  assert.equal((await call(proxy.port, 'GET', BLOB)).status, 504)
})
