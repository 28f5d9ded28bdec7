import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { CacheStatus } from '../../src/ports/read-options.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import { DOCKER_SCHEMA1_SIGNED, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, descriptorOf, indexOf, manifestOf } from '../support/fixtures.ts'
import { digestRead, readBlob, rig } from '../support/rig.ts'

const layer = blobOf(100_000)
const manifest = manifestOf([layer.bytes])
const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const outage = (error: unknown) =>
  isRegistryError(error, 'UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMEOUT', 'UPSTREAM_LIMITED')
const denied = (error: unknown) => isRegistryError(error, 'UPSTREAM_DENIED')

/** Collects how answers came about. */
function reports() {
  const seen: CacheStatus[] = []
  return { seen, report: (status: CacheStatus) => void seen.push(status), last: () => seen.at(-1)?.result }
}

suite('manifests', () => {
  test('the first get asks upstream and stores, the next ones do not ask', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { digest } = upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    const repository = proxy.repository()
    const told = reports()
    const first = await repository.manifests.get(digest, told)
    assert.deepEqual(first, { descriptor: descriptorOf(manifest, OCI_MANIFEST), body: manifest })
    assert.equal(told.last(), 'miss')
    assert.deepEqual(await repository.manifests.get(digest, told), first)
    assert.equal(told.last(), 'hit')
    assert.equal(upstream.count('GET', /manifests/), 1)
  })

  test('any number of clients at once cost one request', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { digest } = upstream.addManifest('library/app', undefined, manifest, OCI_MANIFEST)
    const got = await Promise.all(Array.from({ length: 100 }, () => proxy.repository().manifests.get(digest)))
    assert.ok(got.every((one) => one?.body.equals(manifest)))
    assert.equal(upstream.count('GET', /manifests/), 1)
  })

  test('a layer is never served as a manifest, nor kept from being one', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    upstream.addBlob(layer.bytes)
    await digestRead(proxy.repository(), layer.digest)
    assert.equal(await proxy.repository().manifests.get(layer.digest), undefined)
  })

  test('signed schema 1 is passed on as it is, by the digest of its payload', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const payload = '{\n   "schemaVersion": 1,\n   "name": "library/app"\n}'
    const cut = payload.lastIndexOf('\n')
    const base64url = (text: string) => Buffer.from(text).toString('base64url')
    const protectedHeader = base64url(
      JSON.stringify({ formatLength: cut, formatTail: base64url(payload.slice(cut)) }),
    )
    const signatures = `,\n   "signatures": [{"protected":"${protectedHeader}"}]\n}`
    const body = Buffer.from(payload.slice(0, cut) + signatures)
    const digest = digestOf(Buffer.from(payload))
    const path = `/v2/library/app/manifests/${digest}`
    const script = { status: 200, headers: { 'Content-Type': DOCKER_SCHEMA1_SIGNED }, body, times: 2 }
    upstream.on(path, script)
    for (let i = 0; i < 2; i++) {
      const got = await proxy.repository().manifests.get(digest)
      assert.deepEqual(got?.body, body)
      assert.equal(got?.descriptor.mediaType, DOCKER_SCHEMA1_SIGNED)
    }
    assert.equal(await proxy.store.blobs.stat(digest), undefined)
  })
})

suite('tags', () => {
  test('within freshness no request, after it one HEAD however many ask, and no GET while it did not move', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { digest } = upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    const { tags, manifests } = proxy.repository()
    const told = reports()
    assert.equal(await tags.resolve('latest', told), digest)
    assert.equal(told.last(), 'miss')
    for (let i = 0; i < 1000; i++) assert.equal(await tags.resolve('latest', told), digest)
    assert.equal(told.last(), 'hit')
    assert.equal(upstream.requests.length, 2)

    proxy.now += MINUTE
    const resolved = await Promise.all(Array.from({ length: 500 }, () => tags.resolve('latest', told)))
    assert.deepEqual(new Set(resolved), new Set([digest]))
    assert.equal(upstream.count('HEAD', /manifests\/latest/), 2)
    assert.equal(upstream.count('GET', /manifests/), 1)
    assert.ok(told.seen.some(({ result }) => result === 'revalidated'))
    assert.deepEqual((await manifests.get(digest))?.body, manifest)
    assert.equal(upstream.requests.length, 3)
  })

  test('F41 five hundred cold resolves cost one HEAD', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    await Promise.all(Array.from({ length: 500 }, () => proxy.repository().tags.resolve('latest')))
    assert.equal(upstream.count('HEAD', /manifests/), 1)
    assert.equal(upstream.count('GET', /manifests/), 1)
  })

  test('a tag that moved is followed, by digest', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    const { tags } = proxy.repository()
    await tags.resolve('latest')
    const moved = upstream.addManifest(
      'library/app',
      'latest',
      indexOf([descriptorOf(manifest, OCI_MANIFEST)]),
      OCI_INDEX,
    )
    proxy.now += MINUTE
    assert.equal(await tags.resolve('latest'), moved.digest)
    assert.equal(upstream.count('GET', `/v2/library/app/manifests/${moved.digest}`), 1)
    assert.equal(upstream.count('GET', '/v2/library/app/manifests/latest'), 0)
  })

  test('F35 the tag moves between HEAD and GET: the answer is one image or the other, never a mixture', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const old = upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    const release = Promise.withResolvers<void>()
    upstream.on(`/v2/library/app/manifests/${old.digest}`, { after: release.promise })
    const resolving = proxy.repository().tags.resolve('latest')
    upstream.addManifest('library/app', 'latest', indexOf([]), OCI_INDEX)
    release.resolve()
    const digest = (await resolving)!
    const got = (await proxy.repository().manifests.get(digest))!
    assert.equal(digestOf(got.body), digest)
  })

  test('F1 F7 upstream out of order: the last known digest, marked, until staleIfError is over', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { digest } = upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    const { tags } = proxy.repository()
    await tags.resolve('latest')
    await upstream.stop()
    proxy.now += MINUTE + 5_000
    const told = reports()
    assert.equal(await tags.resolve('latest', told), digest)
    const { outage, ...status } = told.seen.at(-1)!
    assert.deepEqual(status, { result: 'stale', ttl: -5 })
    assert.equal(outage?.code, 'UPSTREAM_UNAVAILABLE')
    await assert.rejects(async () => tags.resolve('never-seen'), outage)
    proxy.now += DAY
    await assert.rejects(async () => tags.resolve('latest'), outage)
  })

  test('F8 a tag that was deleted upstream is forgotten, its content is not', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { digest } = upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    const { tags, manifests } = proxy.repository()
    await tags.resolve('latest')
    upstream.content.removeTag('library/app', 'latest')
    proxy.now += MINUTE
    assert.equal(await tags.resolve('latest'), undefined)
    await upstream.stop()
    await assert.rejects(async () => tags.resolve('latest'), outage)
    assert.ok(await manifests.get(digest))
  })

  test('F9 a tag that is not ours to read any more is not served stale', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    const { tags } = proxy.repository()
    await tags.resolve('latest')
    proxy.now += MINUTE
    upstream.on(/manifests/, { status: 403, times: 5 })
    await assert.rejects(async () => tags.resolve('latest'), denied)
  })

  test('F10 upstream limits us: stale where there is something, else an error of its own class', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { digest } = upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    const { tags } = proxy.repository()
    await tags.resolve('latest')
    proxy.now += MINUTE
    upstream.on(/manifests/, { status: 429, headers: { 'Retry-After': '3600' }, times: 10 })
    assert.equal(await tags.resolve('latest'), digest)
    await assert.rejects(
      async () => tags.resolve('other'),
      (error) => isRegistryError(error, 'UPSTREAM_LIMITED'),
    )
  })

  test('a new tag is not taken over while its manifest cannot be had', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const old = upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
    const { tags } = proxy.repository()
    await tags.resolve('latest')
    const moved = upstream.addManifest('library/app', 'latest', indexOf([]), OCI_INDEX)
    upstream.on(`/v2/library/app/manifests/${moved.digest}`, { status: 503, times: 2 })
    proxy.now += MINUTE
    assert.equal(await tags.resolve('latest'), old.digest)
    assert.equal(await tags.resolve('latest'), old.digest)
    assert.equal(await tags.resolve('latest'), moved.digest)
  })

  test('an image that was asked for by digest before it was pushed teaches nothing about HEAD', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream, negative: 60_000 })
    const { manifests, tags } = proxy.repository()
    const body = manifestOf([])
    assert.equal(await manifests.get(digestOf(body)), undefined)
    const { digest } = upstream.addManifest('library/app', 'v1', body, OCI_MANIFEST)
    assert.equal(await tags.resolve('v1'), digest)
    assert.equal(upstream.count('GET', /manifests.v1/), 0)
    proxy.now += 60_001
    assert.equal(await tags.resolve('v1'), digest)
    assert.equal(upstream.count('HEAD', /manifests.v1/), 2)
  })

  test('"does not exist" is remembered for a moment', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream, negative: 10_000 })
    const { tags, manifests, blobs } = proxy.repository()
    const told = reports()
    for (let i = 0; i < 3; i++) {
      assert.equal(await tags.resolve('sha256-abc.sig', told), undefined)
      assert.equal(await manifests.get(layer.digest, told), undefined)
      assert.equal(await blobs.open(layer.digest, told), undefined)
      assert.equal(await blobs.stat(layer.digest, told), undefined)
    }
    assert.equal(told.last(), 'negative')
    assert.deepEqual(upstream.requests.map(({ method }) => method).toSorted(), ['GET', 'GET', 'GET', 'HEAD'])
  })
})

suite('tag lists and referrers', () => {
  test('asked once for a while, and served from memory in an outage', async () => {
    await using upstream = await fakeUpstream({ referrers: true })
    await using proxy = await rig({ upstream })
    for (const tag of ['a', 'b', 'c']) upstream.addManifest('library/app', tag, manifest, OCI_MANIFEST)
    const { tags, referrers } = proxy.repository()
    const page = await tags.list({ n: 2 })
    assert.deepEqual(page, { tags: Buffer.from('"a","b"'), next: { n: 2, last: 'b' } })
    const subject = upstream.addManifest('library/app', 'a', manifest, OCI_MANIFEST)
    upstream.addManifest('library/app', undefined, manifestOf([], { subject }), OCI_MANIFEST)
    const list = await referrers.list(digestOf(manifest))
    assert.equal(list.referrers.length, 1)
    const asked = upstream.requests.length
    await tags.list({ n: 2 })
    await referrers.list(digestOf(manifest))
    assert.equal(upstream.requests.length, asked)

    await upstream.stop()
    proxy.now += 2 * MINUTE
    const told = reports()
    assert.deepEqual(await tags.list({ n: 2 }, told), page)
    assert.equal(told.last(), 'stale')
    assert.deepEqual(await referrers.list(digestOf(manifest)), list)
    await assert.rejects(proxy.repository('library/other').tags.list({ n: 3 }), outage)
  })
})

test('SEC-71: of the repositories that clients name no more than a thousand are kept', async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await rig({ upstream })
  const first = proxy.repository('first')
  for (let i = 0; i < 999; i++) proxy.repository(`name-${i}`)
  assert.ok(proxy.repository('first') === first)
  for (let i = 1_000; i < 2_000; i++) proxy.repository(`name-${i}`)
  assert.ok(proxy.repository('first') !== first)
})

suite('content to its reader', () => {
  const refused = { status: 404, times: 100 }

  test('SEC-20 what one repository brought in another one has to prove, cold and warm, and in an outage', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    upstream.addBlob(layer.bytes)
    upstream.on(/\/v2\/b\/blobs/, refused)
    assert.equal(await digestRead(proxy.repository('a'), layer.digest), layer.digest)
    const b = proxy.repository('b')
    assert.equal(await readBlob(b, layer.digest), undefined)
    assert.equal(await b.blobs.stat(layer.digest), undefined)
    const c = proxy.repository('c')
    assert.equal(await digestRead(c, layer.digest), layer.digest)
    assert.equal(upstream.count('GET', /\/v2\/c\/blobs/), 0)
    assert.equal(upstream.count('HEAD', /\/v2\/c\/blobs/), 1)

    await upstream.stop()
    await assert.rejects(readBlob(b, layer.digest), outage)
    assert.equal(await digestRead(c, layer.digest), layer.digest)
  })

  test('SEC-20 F52 a running download is no way around it either', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    upstream.addBlob(layer.bytes)
    upstream.on(/\/v2\/b\/blobs/, refused)
    const rest = Promise.withResolvers<void>()
    upstream.on(/\/v2\/a\/blobs/, { atByte: { k: 50_000, then: rest.promise } })
    const reading = digestRead(proxy.repository('a'), layer.digest)
    assert.equal(await readBlob(proxy.repository('b'), layer.digest), undefined)
    const allowed = digestRead(proxy.repository('c'), layer.digest)
    rest.resolve()
    assert.deepEqual(await Promise.all([reading, allowed]), [layer.digest, layer.digest])
    assert.equal(upstream.count('GET', /\/[ac]\/blobs/), 1)
  })

  test('SEC-20 manifests likewise', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await rig({ upstream })
    const { digest } = upstream.addManifest('a', undefined, manifest, OCI_MANIFEST)
    assert.ok(await proxy.repository('a').manifests.get(digest))
    assert.equal(await proxy.repository('b').manifests.get(digest), undefined)
  })
})
