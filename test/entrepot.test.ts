import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { digestOf } from '../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../src/oci/media-types.ts'
import { type FakeUpstream, fakeUpstream } from './support/fake-upstream.ts'
import { blobOf, descriptorOf, eventually, indexOf, manifestOf } from './support/fixtures.ts'
import { type Proxy, startProxy } from './support/proxy.ts'
import { pullConformance } from './support/pull-conformance.ts'
import { call, RawClient } from './support/raw-client.ts'

const MiB = 1024 * 1024
const layer = blobOf(3 * MiB + 17)
const manifest = manifestOf([layer.bytes])
const tags = ['1.0', '1.1', '2.0', 'latest', 'sha256-abc.sig']

suite('the OCI conformance checks against the whole proxy', () => {
  let upstream: FakeUpstream
  let proxy: Proxy
  before(async () => {
    upstream = await fakeUpstream()
    upstream.addBlob(layer.bytes)
    for (const tag of tags) upstream.addManifest('library/app', tag, manifest, OCI_MANIFEST)
    proxy = await startProxy({ upstream })
  })
  after(async () => {
    await proxy[Symbol.asyncDispose]()
    await upstream[Symbol.asyncDispose]()
  })
  const content = { repository: 'library/app', tags, manifest, mediaType: OCI_MANIFEST, blob: layer.bytes }
  pullConformance('cold', content, () => proxy.port)
  pullConformance('warm', content, () => proxy.port)
  test('each blob and manifest was fetched once for all of it', () => {
    assert.equal(upstream.count('GET', `/v2/library/app/blobs/${layer.digest}`), 1)
    assert.equal(upstream.count('GET', `/v2/library/app/manifests/${digestOf(manifest)}`), 1)
  })
})

suite('pulls', () => {
  test('the second pull asks upstream for nothing, and works without it', async () => {
    await using upstream = await fakeUpstream({ auth: { scheme: 'bearer' } })
    await using proxy = await startProxy({ upstream })
    upstream.addBlob(layer.bytes)
    const image = upstream.addManifest('library/app', undefined, manifest, OCI_MANIFEST)
    const index = indexOf([image])
    upstream.addManifest('library/app', 'latest', index, OCI_INDEX)
    const pull = async () => {
      const head = await call(proxy.port, 'HEAD', '/v2/app/manifests/latest')
      assert.equal(head.headers['docker-content-digest'], digestOf(index))
      assert.deepEqual((await call(proxy.port, 'GET', `/v2/app/manifests/${digestOf(index)}`)).body, index)
      assert.deepEqual((await call(proxy.port, 'GET', `/v2/app/manifests/${image.digest}`)).body, manifest)
      const blob = await call(proxy.port, 'GET', `/v2/app/blobs/${layer.digest}`)
      assert.equal(digestOf(blob.body), layer.digest)
    }
    await pull()
    // The first is refused with a challenge; HEAD tag, GET index, GET manifest, GET blob; one token for all.
    assert.equal(upstream.tokenRequests, 1)
    assert.equal(upstream.requests.length, 1 + 4 + 1)
    await pull()
    assert.equal(upstream.requests.length, 6)
    await upstream.stop()
    await pull()
  })

  test('F49 HEAD of a cold blob: its size by one HEAD, no GET, nothing left open', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    upstream.addBlob(layer.bytes)
    const head = await call(proxy.port, 'HEAD', `/v2/app/blobs/${layer.digest}`)
    assert.equal(head.status, 200)
    assert.equal(head.headers['content-length'], String(layer.bytes.length))
    assert.deepEqual(
      upstream.requests.map(({ method }) => method),
      ['HEAD'],
    )
    assert.deepEqual(await proxy.openContent(), [])
    assert.deepEqual(await proxy.ingest(), [])
    await eventually(() => upstream.connections === 0)
  })

  test('a client that disconnects at 10 % stops nothing: the blob is cached, and everything is closed', async () => {
    await using upstream = await fakeUpstream({ bytesPerSecond: 8 * MiB })
    await using proxy = await startProxy({ upstream })
    const { bytes, digest } = blobOf(4 * MiB)
    upstream.addBlob(bytes)
    const client = await RawClient.connect(proxy.port)
    client.request('GET', `/v2/app/blobs/${digest}`)
    await client.received(0.1 * bytes.length)
    client.socket.destroy()
    await eventually(
      async () => (await proxy.ingest()).length === 0 && upstream.bodyBytes(/blobs/) === bytes.length,
    )
    assert.equal(digestOf((await call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)).body), digest)
    assert.equal(upstream.count('GET', /blobs/), 1)
    await eventually(async () => (await proxy.openContent()).length === 0)
  })

  test('F25 a corrupted body: no complete answer, nothing committed, and the next pull works', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    upstream.addBlob(layer.bytes)
    upstream.on(/blobs/, { flipByte: 1000 })
    const client = await RawClient.connect(proxy.port)
    client.request('GET', `/v2/app/blobs/${layer.digest}`)
    assert.ok((await client.rest()).length < layer.bytes.length)
    await eventually(async () => (await proxy.ingest()).length === 0)
    const next = await call(proxy.port, 'GET', `/v2/app/blobs/${layer.digest}`)
    assert.equal(digestOf(next.body), layer.digest)
    assert.equal(next.headers['cache-status'], 'entrepot; fwd=uri-miss; fwd-status=200; stored')
  })

  test('F25 F26 what is known to be wrong before the first byte is a 502 that says so', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    const { bytes, digest } = blobOf(1000)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { headers: { 'Content-Type': 'text/html' }, body: '<html>Log in</html>' })
    const answer = await call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)
    assert.equal(answer.status, 502)
    const [error] = JSON.parse(answer.body.toString()).errors
    assert.equal(error.code, 'UNAVAILABLE')
    assert.equal(error.detail.upstream, 'docker.io')
  })
})

suite('several upstreams', () => {
  test('SEC-22 the same name on two upstreams never crosses, and each is found by ns, host, path and default', async () => {
    await using hub = await fakeUpstream()
    await using other = await fakeUpstream()
    await using proxy = await startProxy({
      upstream: hub,
      config: {
        upstreams: {
          'docker.io': { url: hub.url },
          'other.example:5443': { url: other.url, aliases: ['alias.example'], hosts: ['other.cache.local'] },
        },
      },
    })
    const manifests = [manifestOf([]), indexOf([descriptorOf(manifest, OCI_MANIFEST)])] as const
    hub.addManifest('org/app', 'latest', manifests[0], OCI_MANIFEST)
    other.addManifest('org/app', 'latest', manifests[1], OCI_INDEX)
    const digestAt = async (path: string, host = 'localhost') => {
      using client = await RawClient.connect(proxy.port)
      client.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      return (await client.response()).headers['docker-content-digest']
    }
    const [hubs, others] = manifests.map((body) => digestOf(body))
    for (let round = 0; round < 2; round++) {
      assert.equal(await digestAt('/v2/org/app/manifests/latest'), hubs)
      assert.equal(await digestAt('/v2/org/app/manifests/latest?ns=docker.io', 'other.cache.local'), hubs)
      assert.equal(await digestAt('/v2/org/app/manifests/latest?ns=other.example:5443'), others)
      assert.equal(await digestAt('/v2/alias.example/org/app/manifests/latest'), others)
      assert.equal(await digestAt('/v2/org/app/manifests/latest', 'other.cache.local'), others)
    }
    const unknown = await call(proxy.port, 'GET', '/v2/org/app/manifests/latest?ns=169.254.169.254')
    assert.equal(unknown.status, 404)
    assert.equal(hub.requests.length + other.requests.length, 4)
  })
})

suite('allow and deny', () => {
  test('a repository that a rule denies is a 403 that names it, for everything in it and before anything is looked up', async () => {
    await using upstream = await fakeUpstream({ referrers: true })
    upstream.addBlob(layer.bytes)
    for (const name of ['library/app', 'org/app', 'org/secret'])
      upstream.addManifest(name, 'latest', manifest, OCI_MANIFEST)
    const upstreamConfig = { allow: ['library/*', 'org/*'], deny: ['org/secret'] }
    await using proxy = await startProxy({ upstream, upstreamConfig })
    const questions = [
      'manifests/latest',
      `manifests/${digestOf(manifest)}`,
      `blobs/${layer.digest}`,
      'tags/list',
    ]
    questions.push(`referrers/${digestOf(manifest)}`)
    // What is in the store by the way of another repository is not given out either.
    for (const question of questions) {
      assert.equal((await call(proxy.port, 'GET', `/v2/org/app/${question}`)).status, 200, question)
    }
    assert.equal((await call(proxy.port, 'GET', '/v2/app/manifests/latest')).status, 200)
    const asked = upstream.requests.length
    for (const method of ['GET', 'HEAD'] as const) {
      for (const question of questions) {
        const denied = await call(proxy.port, method, `/v2/org/secret/${question}`)
        assert.equal(denied.status, 403, question)
        assert.equal(denied.headers['www-authenticate'], undefined)
        if (method === 'HEAD') continue
        const [error] = JSON.parse(denied.body.toString()).errors
        assert.equal(error.code, 'DENIED')
        assert.deepEqual(error.detail, {
          upstream: 'docker.io',
          repository: 'org/secret',
          rule: 'deny: org/secret',
        })
      }
    }
    const other = await call(proxy.port, 'GET', '/v2/docker.io/other/app/manifests/latest')
    assert.equal(JSON.parse(other.body.toString()).errors[0].detail.rule, 'allow: library/*, org/*')
    assert.equal(upstream.requests.length, asked)
  })
})

suite('out of order', () => {
  test('F13 with no upstream it starts, is ready, and a pull is a 502 that names the upstream', async () => {
    await using upstream = await fakeUpstream()
    await upstream.stop()
    await using proxy = await startProxy({ upstream })
    assert.equal((await fetch(`${proxy.adminUrl}/readyz`)).status, 200)
    assert.equal((await fetch(`${proxy.adminUrl}/healthz`)).status, 200)
    for (const path of ['/v2/app/manifests/latest', `/v2/app/blobs/${layer.digest}`, '/v2/app/tags/list']) {
      const answer = await call(proxy.port, 'GET', path)
      assert.equal(answer.status, 502)
      const { detail } = JSON.parse(answer.body.toString()).errors[0]
      assert.equal(detail.upstream, 'docker.io')
      assert.equal(detail.reason, 'ECONNREFUSED')
    }
  })

  test('SEC-09 a denial is a 404 without a challenge', async () => {
    await using upstream = await fakeUpstream({ auth: { scheme: 'basic', username: 'u', password: 'p' } })
    await using proxy = await startProxy({ upstream })
    const answer = await call(proxy.port, 'GET', '/v2/app/manifests/latest')
    assert.equal(answer.status, 404)
    assert.equal(answer.headers['www-authenticate'], undefined)
    assert.equal(JSON.parse(answer.body.toString()).errors[0].detail.reason, 'DENIED')
  })

  test('what is served in an outage is marked, and counted', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({
      upstream,
      config: { cache: { tags: [{ match: '.*', fresh: '0s' }] } },
    })
    upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    await call(proxy.port, 'GET', '/v2/app/manifests/latest')
    await upstream.stop()
    const stale = await call(proxy.port, 'GET', '/v2/app/manifests/latest')
    assert.equal(stale.status, 200)
    assert.match(stale.headers['cache-status']!, /^entrepot; hit; ttl=-?\d+; detail=stale-if-error$/)
    const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
    assert.match(metrics, /entrepot_requests_total\{upstream="docker.io",kind="tag",result="stale"\} 1/)
    assert.match(metrics, /entrepot_store_objects 1/)
  })
})

suite('stopping', () => {
  test('F80 a running pull is finished, new ones are refused, and the store can be opened again', async () => {
    await using upstream = await fakeUpstream({ bytesPerSecond: 8 * MiB })
    await using proxy = await startProxy({ upstream })
    const { bytes, digest } = blobOf(4 * MiB)
    upstream.addBlob(bytes)
    using client = await RawClient.connect(proxy.port)
    client.request('GET', `/v2/app/blobs/${digest}`)
    await client.received(100_000)
    const stopping = proxy.stop(10_000)
    await assert.rejects(call(proxy.port, 'GET', '/v2/'), { code: 'ECONNREFUSED' })
    assert.equal(digestOf((await client.response()).body), digest)
    await stopping
    await using again = await startProxy({ upstream, folder: proxy.folder })
    await upstream.stop()
    assert.equal(digestOf((await call(again.port, 'GET', `/v2/app/blobs/${digest}`)).body), digest)
  })

  test('what is half downloaded when the grace is over is continued by the next process', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    const { bytes, digest } = blobOf(4 * MiB)
    upstream.addBlob(bytes)
    upstream.on(/blobs/, { atByte: { k: 2 * MiB, then: 'stall' } })
    using client = await RawClient.connect(proxy.port)
    client.request('GET', `/v2/app/blobs/${digest}`)
    await client.received(2 * MiB)
    await proxy.stop(0)
    await using again = await startProxy({ upstream, folder: proxy.folder })
    assert.equal(digestOf((await call(again.port, 'GET', `/v2/app/blobs/${digest}`)).body), digest)
    assert.equal(upstream.find('GET', /blobs/).at(-1)?.headers['range'], `bytes=${2 * MiB}-`)
  })
})
