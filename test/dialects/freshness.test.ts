/** How long lists live, and what they cost an upstream. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { suite, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { referrersTag } from '../../src/oci/referrers.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { eventually, indexOf, manifestOf } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { call, RawClient, type RawResponse } from '../support/raw-client.ts'
import { rig } from '../support/rig.ts'

const APP = 'library/app'
const manifest = manifestOf([Buffer.from('layer')])
const digest = digestOf(manifest)
const SECOND = 1_000

/** Signs as cosign does: by referrer where there is an API, by fallback tag where there is none. */
function sign(upstream: FakeUpstream, api: boolean): void {
  const subject = upstream.addManifest(APP, 'latest', manifest, OCI_MANIFEST)
  const signature = upstream.addManifest(APP, undefined, manifestOf([], { subject }), OCI_MANIFEST)
  if (!api) upstream.addManifest(APP, referrersTag(digest), indexOf([signature]), OCI_INDEX)
}

suite('signatures', () => {
  for (const api of [true, false]) {
    const where = api ? 'with the referrers API' : 'without it'
    test(`FR-15 sign, then verify at once: seen as soon as negative is over, ${where}`, async () => {
      await using upstream = await fakeUpstream({ referrers: api })
      upstream.addManifest(APP, 'latest', manifest, OCI_MANIFEST)
      await using proxy = await startProxy({
        upstream,
        config: { cache: { negative: '200ms', lists: '1h' } },
      })
      const path = `/v2/${APP}/referrers/${digest}`
      const signatures = async () =>
        JSON.parse((await call(proxy.port, 'GET', path)).body.toString()).manifests
      assert.deepEqual(await signatures(), [])
      const sig = `/v2/${APP}/manifests/${referrersTag(digest)}.sig`
      assert.equal((await call(proxy.port, 'GET', sig)).status, 404)
      sign(upstream, api)
      upstream.addManifest(APP, `${referrersTag(digest)}.sig`, manifestOf([]), OCI_MANIFEST)
      await eventually(async () => (await signatures()).length === 1)
      await eventually(async () => (await call(proxy.port, 'GET', sig)).status === 200)
      const asked = upstream.requests.length
      assert.equal((await signatures()).length, 1)
      assert.equal(upstream.requests.length, asked, 'cache.lists sets how long others live')
    })
  }
})

suite('an outage', () => {
  test('FR-16 the last list of referrers, and never an empty one', async () => {
    await using upstream = await fakeUpstream({ referrers: true })
    await using proxy = await rig({ upstream, negative: 10 * SECOND })
    sign(upstream, true)
    const { referrers } = proxy.repository()
    const other = digestOf(Buffer.from('other'))
    assert.equal((await referrers.list(digest)).referrers.length, 1)
    assert.equal((await referrers.list(other)).referrers.length, 0)
    await upstream.stop()
    proxy.now += 61 * SECOND
    assert.equal((await referrers.list(digest)).referrers.length, 1)
    await assert.rejects(referrers.list(other), /unavailable/)
    await assert.rejects(referrers.list(digestOf(Buffer.from('never asked'))), /unavailable/)
  })

  test('FR-16 is a 502 for a client who asks for referrers for the first time', async () => {
    await using upstream = await fakeUpstream({ referrers: true })
    await upstream.stop()
    await using proxy = await startProxy({ upstream })
    assert.equal((await call(proxy.port, 'GET', `/v2/${APP}/referrers/${digest}`)).status, 502)
  })
})

test('FR-23 referrers of a warm image cost one request per negative, which no rate limit counts', async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await rig({ upstream, negative: 10 * SECOND })
  upstream.addManifest(APP, 'latest', manifest, OCI_MANIFEST)
  const { tags, manifests, referrers } = proxy.repository()
  const pull = async () => {
    await manifests.get((await tags.resolve('latest'))!)
    await referrers.list(digest)
  }
  await pull()
  upstream.requests.length = 0
  for (let second = 0; second < 59; second++) {
    await pull()
    proxy.now += SECOND
  }
  assert.ok(upstream.requests.length <= 6, `${upstream.requests.length} requests in a minute`)
  for (const { method, path } of upstream.requests)
    assert.equal(`${method} ${path}`, `HEAD /v2/${APP}/manifests/${referrersTag(digest)}`)
})

test('SEC-71 one whole list serves every page of it', async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await startProxy({ upstream })
  for (let i = 0; i < 50; i++) upstream.addManifest(APP, `v${i}`, manifest, OCI_MANIFEST)
  for (let n = 1; n < 100; n++) {
    const answer = await call(proxy.port, 'GET', `/v2/${APP}/tags/list?n=${n}&last=v${n % 50}`)
    assert.equal(answer.status, 200)
  }
  for (let type = 0; type < 100; type++) {
    const path = `/v2/${APP}/referrers/${digest}?artifactType=application/t${type}`
    assert.equal((await call(proxy.port, 'GET', path)).status, 200)
  }
  assert.equal(upstream.count('GET', /tags/), 1)
  assert.equal(upstream.count('GET', /referrers/), 1)
})

test('SEC-71 a long list is in memory once, however many clients are slow to read it', async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await startProxy({ upstream })
  const tags = Array.from({ length: 80_000 }, (_, i) => `${i}`.padStart(6, '0').padEnd(100, 'x'))
  upstream.on(/tags/, {
    status: 200,
    body: JSON.stringify({ name: APP, tags }),
    headers: { 'Content-Type': 'application/json' },
  })
  const path = `/v2/${APP}/tags/list`
  const { body } = await call(proxy.port, 'GET', path)
  assert.deepEqual(JSON.parse(body.toString()), { name: APP, tags })
  using clients = new DisposableStack()
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < 20; i++) {
    const client = clients.use(await RawClient.connect(proxy.port))
    client.request('GET', path)
    await once(client.socket, 'data')
    client.socket.pause()
  }
  const copies = (process.memoryUsage().arrayBuffers - before) / body.length
  assert.ok(copies < 5, `${copies.toFixed(1)} times the list`)
})

test('SEC-71 a list that is too long passes through page by page, with where it goes on', async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await startProxy({ upstream })
  // 20 pages of 1 MB each: more than is put in order.
  const padded = (page: number): string[] =>
    Array.from({ length: 8000 }, (_, i) => `p${page}-${i}`.padEnd(125, 'x')).toSorted()
  const pageOf = (page: number) => ({
    status: 200,
    body: JSON.stringify({ name: APP, tags: padded(page) }),
    headers: {
      'Content-Type': 'application/json',
      ...(page < 19 && { Link: `<?page=${page + 1}%3D>; rel="next"` }),
    },
    times: Infinity,
  })
  for (let page = 1; page < 20; page++) upstream.on(new RegExp(`page=${page}%3D`), pageOf(page))
  upstream.on(/tags\/list/, pageOf(0))
  const seen: string[] = []
  let path: string | undefined = `/v2/${APP}/tags/list?n=5000`
  for (let page = 0; path !== undefined; page++) {
    assert.ok(page < 20)
    const answer: RawResponse = await call(proxy.port, 'GET', path)
    assert.equal(answer.status, 200)
    seen.push(...JSON.parse(answer.body.toString()).tags)
    path = /^<(\/v2\/[^>]*)>; rel="next"$/.exec(answer.headers['link'] ?? '')?.[1]
  }
  assert.equal(new Set(seen).size, 160_000)
  assert.equal((await call(proxy.port, 'GET', `/v2/${APP}/tags/list?cursor=%00`)).status, 400)
})
