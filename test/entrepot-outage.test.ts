import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf } from '../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../src/oci/media-types.ts'
import { fakeUpstream } from './support/fake-upstream.ts'
import { blobOf, indexOf, manifestOf } from './support/fixtures.ts'
import { startProxy } from './support/proxy.ts'
import { call } from './support/raw-client.ts'

const manifest = manifestOf([])
const always = { cache: { tags: [{ match: '.*', fresh: '0s' }], negative: '0s' } }
const metricsOf = async (adminUrl: string) => (await fetch(`${adminUrl}/metrics`)).text()

suite('an upstream that is out of order', () => {
  test('F5 F12 a black hole: a cached tag is answered stale, then at once; one that is not cached is a 504, then at once', async () => {
    await using upstream = await fakeUpstream()
    const timeouts = { connect: '1s', headers: '500ms', idle: '1s' }
    await using proxy = await startProxy({ upstream, config: always, upstreamConfig: { timeouts } })
    upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    await call(proxy.port, 'GET', '/v2/app/manifests/latest')
    upstream.on(/./, { delayMs: Infinity, times: 1000 })

    const first = await call(proxy.port, 'GET', '/v2/app/manifests/latest')
    assert.match(first.headers['cache-status']!, /detail=stale-if-error/)
    const asked = upstream.requests.length
    for (let i = 0; i < 20; i++) {
      const stale = await call(proxy.port, 'GET', '/v2/app/manifests/latest')
      assert.match(stale.headers['cache-status']!, /detail=stale-if-error/)
      assert.equal((await call(proxy.port, 'GET', '/v2/app/manifests/other')).status, 504)
    }
    const cold = await call(proxy.port, 'GET', `/v2/app/blobs/${blobOf(10).digest}`)
    assert.equal(cold.status, 504)
    assert.equal(upstream.requests.length, asked)
    assert.match(await metricsOf(proxy.adminUrl), /entrepot_upstream_up\{upstream="docker.io"\} 0/)
  })

  test('F14 one upstream hangs: the others are as they were', async () => {
    await using sick = await fakeUpstream()
    await using well = await fakeUpstream()
    sick.on(/./, { delayMs: Infinity, times: 1000 })
    await using proxy = await startProxy({
      upstream: sick,
      config: { upstreams: { 'docker.io': { url: sick.url }, 'ghcr.io': { url: well.url } } },
    })
    well.addManifest('org/app', 'latest', manifest, OCI_MANIFEST)
    const hanging = Promise.allSettled(
      Array.from({ length: 100 }, (_, i) => call(proxy.port, 'GET', `/v2/app/manifests/t${i}`)),
    )
    for (let i = 0; i < 10; i++) {
      assert.equal((await call(proxy.port, 'GET', '/v2/ghcr.io/org/app/manifests/latest')).status, 200)
    }
    await sick.stop()
    await hanging
  })

  test('F10 limited with Retry-After 3600: cached tags and blobs are served, the rest is a 503 with a short wait, upstream is left alone', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream, config: always })
    const { bytes, digest } = blobOf(1000)
    upstream.addBlob(bytes)
    upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    await call(proxy.port, 'GET', '/v2/app/manifests/latest')
    await call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)
    const limits = {
      'Retry-After': '3600',
      'RateLimit-Limit': '100;w=21600',
      'RateLimit-Remaining': '0;w=21600',
    }
    upstream.on(/manifests/, { status: 429, headers: limits, times: 1000 })

    const asked = upstream.requests.length
    for (let i = 0; i < 20; i++) {
      assert.equal((await call(proxy.port, 'GET', '/v2/app/manifests/latest')).status, 200)
      assert.equal(digestOf((await call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)).body), digest)
      const cold = await call(proxy.port, 'GET', '/v2/app/manifests/other')
      assert.equal(cold.status, 503)
      assert.ok(Number(cold.headers['retry-after']) <= 5)
    }
    assert.equal(upstream.requests.length, asked + 1)
    const metrics = await metricsOf(proxy.adminUrl)
    assert.match(metrics, /entrepot_upstream_ratelimit_remaining\{upstream="docker.io"\} 0/)
    assert.match(metrics, /entrepot_requests_total\{upstream="docker.io",kind="tag",result="stale"\} 20/)
  })

  test('F7 a single 503 on a tag is tried once more, soon', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    upstream.on(/manifests/, { status: 503 })
    assert.equal((await call(proxy.port, 'HEAD', '/v2/app/manifests/latest')).status, 200)
  })

  test('few requests left: what is cached is not asked for, what is not is', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({
      upstream,
      config: { cache: { tags: [{ match: '.*', fresh: '100ms' }] } },
    })
    const few = { 'RateLimit-Limit': '100;w=21600', 'RateLimit-Remaining': '3;w=21600' }
    upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    upstream.addManifest('library/app', 'other', indexOf([]), OCI_INDEX)
    upstream.on(/manifests/, { headers: few, times: 1000 })
    await call(proxy.port, 'GET', '/v2/app/manifests/latest')
    const asked = upstream.requests.length
    await new Promise((resolve) => setTimeout(resolve, 150))
    const answer = await call(proxy.port, 'GET', '/v2/app/manifests/latest')
    assert.match(answer.headers['cache-status']!, /^entrepot; hit; ttl=1$/)
    assert.equal(upstream.requests.length, asked)
    assert.equal((await call(proxy.port, 'GET', '/v2/app/manifests/other')).status, 200)
  })
})

test('every change of what a tag points to can be read', async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await startProxy({ upstream, config: always })
  const path = `${proxy.adminUrl}/api/v1/tags/docker.io/library/app/latest`
  assert.equal((await fetch(path)).status, 404)
  const old = upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
  await call(proxy.port, 'HEAD', '/v2/app/manifests/latest')
  const moved = upstream.addManifest('library/app', 'latest', indexOf([]), OCI_INDEX)
  await call(proxy.port, 'HEAD', '/v2/app/manifests/latest')
  await call(proxy.port, 'HEAD', '/v2/app/manifests/latest')
  const { changes } = (await (await fetch(path)).json()) as {
    changes: { from: string; to: string; at: string }[]
  }
  assert.deepEqual(
    changes.map(({ from, to }) => ({ from, to })),
    [
      { from: old.digest, to: moved.digest },
      { from: null, to: old.digest },
    ],
  )
  assert.ok(changes.every(({ at }) => !Number.isNaN(Date.parse(at))))
})

suite('signatures and referrers', () => {
  const subject = digestOf(manifest)
  const signature = manifestOf([], {
    subject: { mediaType: OCI_MANIFEST, digest: subject, size: manifest.length },
    artifactType: 'application/vnd.dev.cosign.simplesigning.v1+json',
  })

  test('an upstream with the referrers API: the index, filtered, of exactly its type', async () => {
    await using upstream = await fakeUpstream({ referrers: true })
    await using proxy = await startProxy({ upstream })
    upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    const { digest } = upstream.addManifest('library/app', undefined, signature, OCI_MANIFEST)
    const path = `/v2/app/referrers/${subject}`
    const all = await call(proxy.port, 'GET', path)
    assert.equal(all.headers['content-type'], OCI_INDEX)
    assert.equal(JSON.parse(all.body.toString()).manifests[0].digest, digest)
    const none = await call(proxy.port, 'GET', `${path}?artifactType=application/x`)
    assert.equal(none.headers['oci-filters-applied'], 'artifactType')
    assert.deepEqual(JSON.parse(none.body.toString()).manifests, [])
    assert.equal((await call(proxy.port, 'GET', `/v2/app/manifests/${digest}`)).status, 200)
    await call(proxy.port, 'GET', path)
    assert.equal(upstream.count('GET', /referrers/), 1)
  })

  test('FR-16 an upstream without it: what the fallback tag lists, which is an ordinary one too', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    const referrer = upstream.addManifest('library/app', undefined, signature, OCI_MANIFEST)
    const fallback = indexOf([referrer])
    upstream.addManifest('library/app', subject.replace(':', '-'), fallback, OCI_INDEX)
    const answer = await call(proxy.port, 'GET', `/v2/app/referrers/${subject}`)
    assert.equal(answer.status, 200)
    assert.deepEqual(JSON.parse(answer.body.toString()).manifests, [referrer])
    assert.deepEqual(
      (await call(proxy.port, 'GET', `/v2/app/manifests/${subject.replace(':', '-')}`)).body,
      fallback,
    )
  })

  test('cosign asks for tags that do not exist: a quick 404, asked once', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    for (const suffix of ['sig', 'att', 'sbom']) {
      for (let i = 0; i < 3; i++) {
        const answer = await call(
          proxy.port,
          'GET',
          `/v2/app/manifests/${subject.replace(':', '-')}.${suffix}`,
        )
        assert.equal(answer.status, 404)
      }
    }
    // A HEAD, and a GET that decides.
    assert.equal(upstream.requests.length, 6)
  })
})
