import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf } from '../src/oci/digest.ts'
import { OCI_MANIFEST } from '../src/oci/media-types.ts'
import { fakeUpstream } from './support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from './support/fixtures.ts'
import { startProxy } from './support/proxy.ts'
import { call, RawClient } from './support/raw-client.ts'

const MiB = 1024 * 1024

suite('as clients do it', () => {
  test('F46 containerd 2.1: open-ended ranges in parallel, each left after its chunk', async () => {
    await using upstream = await fakeUpstream({ bytesPerSecond: 40 * MiB })
    await using proxy = await startProxy({ upstream })
    const { bytes, digest } = blobOf(12 * MiB)
    upstream.addBlob(bytes)
    const CHUNK = 2 * MiB
    const fetchChunk = async (start: number) => {
      using client = await RawClient.connect(proxy.port)
      client.request('GET', `/v2/app/blobs/${digest}`, [`Range: bytes=${start}-`])
      const length = Math.min(CHUNK, bytes.length - start)
      await client.received(length + 1000)
      return client
    }
    const starts = Array.from({ length: bytes.length / CHUNK - 1 }, (_, i) => i * CHUNK)
    await Promise.all(starts.map(fetchChunk))
    const answer = await call(proxy.port, 'GET', `/v2/app/blobs/${digest}`, [`Range: bytes=${10 * MiB}-`])
    assert.equal(answer.status, 206)
    assert.equal(answer.headers['content-range'], `bytes ${10 * MiB}-${bytes.length - 1}/${bytes.length}`)
    assert.deepEqual(answer.body, bytes.subarray(10 * MiB))

    await eventually(
      async () => (await proxy.openContent()).length === 0 && (await proxy.ingest()).length === 0,
    )
    const { transfers } = (await (await fetch(`${proxy.adminUrl}/api/v1/transfers`)).json()) as {
      transfers: unknown[]
    }
    assert.deepEqual(transfers, [])
    assert.ok(
      upstream.bodyBytes(/blobs/) <= 1.1 * bytes.length,
      `${upstream.bodyBytes(/blobs/) / bytes.length}`,
    )
    assert.equal(digestOf((await call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)).body), digest)
  })

  test('F40 five hundred clients on one cold blob: one download, every hash right', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    const { bytes, digest } = blobOf(MiB)
    upstream.addBlob(bytes)
    const answers = await Promise.all(
      Array.from({ length: 500 }, () => call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)),
    )
    assert.ok(answers.every(({ status, body }) => status === 200 && body.equals(bytes)))
    assert.equal(upstream.count('GET', /blobs/), 1)
    assert.equal(upstream.bodyBytes(/blobs/), bytes.length)
  })

  test('F53 two hundred different cold blobs: so many at a time, the rest waits or is refused, manifests never wait', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({
      upstream,
      // The refusals come at a pace, and the first four wait until all have come.
      upstreamConfig: { maxTransfers: 4, timeouts: { connect: '1s', headers: '1m', idle: '1s' } },
      config: { transfers: { queueLength: 100, queueTimeout: '10m' } },
    })
    const image = upstream.addManifest('library/app', 'latest', manifestOf([]), OCI_MANIFEST)
    const blobs = Array.from({ length: 200 }, (_, i) => blobOf(100_000, i + 1))
    for (const { bytes } of blobs) upstream.addBlob(bytes)
    const gate = Promise.withResolvers<void>()
    upstream.on(/blobs/, { after: gate.promise, times: 4 })
    let refusals = 0
    const pulls = blobs.map(async ({ digest }) => {
      const answer = await call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)
      if (answer.status === 429) refusals += 1
      return answer
    })
    // All have come: the others run or wait.
    await eventually(() => refusals === 200 - 4 - 100, 60_000)
    await eventually(() => upstream.count('GET', /blobs/) === 4)
    const meanwhile = await call(proxy.port, 'GET', '/v2/app/manifests/latest')
    assert.equal(meanwhile.headers['docker-content-digest'], image.digest)
    assert.equal(upstream.count('GET', /blobs/), 4)
    gate.resolve()

    const answers = await Promise.all(pulls)
    const refused = answers.filter(({ status }) => status === 429)
    assert.equal(refused.length, 200 - 4 - 100)
    assert.ok(refused.every(({ body }) => JSON.parse(body.toString()).errors[0].code === 'TOOMANYREQUESTS'))
    for (const [i, { status, body }] of answers.entries()) {
      if (status !== 429) assert.equal(digestOf(body), blobs[i]!.digest)
    }
  })

  test('F34 a slow upstream: the first bytes go out as they come, and nobody is timed out', async () => {
    await using upstream = await fakeUpstream({ bytesPerSecond: 100_000 })
    await using proxy = await startProxy({ upstream })
    const { bytes, digest } = blobOf(150_000)
    upstream.addBlob(bytes)
    using client = await RawClient.connect(proxy.port)
    client.request('GET', `/v2/app/blobs/${digest}`)
    await client.received(20_000)
    assert.ok(upstream.bodyBytes(/blobs/) < bytes.length)
    assert.equal(digestOf((await client.response()).body), digest)
  })

  test('F31 a length other than the manifest says is a 502 before any byte', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    const { bytes, digest } = blobOf(10_000)
    upstream.addManifest('library/app', 'latest', manifestOf([bytes]), OCI_MANIFEST)
    await call(proxy.port, 'GET', '/v2/app/manifests/latest')
    upstream.on(/blobs/, { status: 200, body: bytes.subarray(0, 5000) })
    const answer = await call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)
    assert.equal(answer.status, 502)
    upstream.addBlob(bytes)
    assert.equal(digestOf((await call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)).body), digest)
  })

  test('F23 a length that only the manifest says is known from the first byte', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    const { bytes, digest } = blobOf(MiB)
    upstream.addBlob(bytes)
    upstream.addManifest('library/app', 'latest', manifestOf([bytes]), OCI_MANIFEST)
    await call(proxy.port, 'GET', '/v2/app/manifests/latest')
    const rest = Promise.withResolvers<void>()
    upstream.on(/blobs/, { contentLength: 'chunked', atByte: { k: 500_000, then: rest.promise } })
    using client = await RawClient.connect(proxy.port)
    client.request('GET', `/v2/app/blobs/${digest}`)
    await client.received(400_000)
    rest.resolve()
    assert.equal(digestOf((await client.response()).body), digest)
  })

  test('F16 F32 tokens and signed URLs that expire during a download are renewed', async () => {
    await using upstream = await fakeUpstream({ auth: { scheme: 'bearer' }, redirectBlobs: 307 })
    await using proxy = await startProxy({ upstream })
    const { bytes, digest } = blobOf(2 * MiB)
    upstream.addBlob(bytes)
    const broken = Promise.withResolvers<void>()
    upstream.cdn.on(/data/, { atByte: { k: MiB, then: broken.promise } })
    using client = await RawClient.connect(proxy.port)
    client.request('GET', `/v2/app/blobs/${digest}`)
    await client.received(900_000)
    upstream.revokeTokens()
    upstream.expireSignatures()
    await upstream.cdn.stop()
    await upstream.cdn.start()
    broken.resolve()
    assert.equal(digestOf((await client.response()).body), digest)
    assert.equal(upstream.tokenRequests, 2)
  })
})
