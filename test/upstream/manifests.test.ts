import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { digestOf, parseDigest } from '../../src/oci/digest.ts'
import { MANIFEST_ACCEPT, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import type { Manifest } from '../../src/oci/descriptor.ts'
import { referencesIn } from '../../src/oci/manifest.ts'
import { longestTurnOf } from '../support/longest-turn.ts'
import { descriptorOf, indexOf, manifestOf } from '../support/fixtures.ts'
import { assertFails, connectTo, failureOf } from './setup.ts'

const MANIFEST = manifestOf([Buffer.from('layer')])
const { digest } = descriptorOf(MANIFEST)
const BY_TAG = '/v2/app/manifests/v1'
const BY_DIGEST = `/v2/app/manifests/${digest}`

async function withManifest(): Promise<FakeUpstream> {
  const upstream = await fakeUpstream()
  upstream.addManifest('app', 'v1', MANIFEST, OCI_MANIFEST)
  return upstream
}

test('a tag costs one HEAD, a manifest one GET, and every type is accepted', async () => {
  await using upstream = await withManifest()
  await using client = connectTo(upstream.url)
  const repository = client.repository()
  assert.deepEqual(await repository.resolve('v1'), { digest })
  assert.deepEqual(await repository.manifest(digest), {
    descriptor: { mediaType: OCI_MANIFEST, digest, size: MANIFEST.length },
    body: MANIFEST,
    references: referencesIn({ body: MANIFEST }),
  })
  assert.deepEqual(
    upstream.requests.map(({ method, path, headers }) => [
      method,
      path,
      headers['accept'],
      headers['accept-encoding'],
    ]),
    [
      ['HEAD', BY_TAG, MANIFEST_ACCEPT, 'identity'],
      ['GET', BY_DIGEST, MANIFEST_ACCEPT, 'identity'],
    ],
  )
})

test('what does not exist is undefined, also where it is gone', async () => {
  await using upstream = await withManifest()
  await using client = connectTo(upstream.url)
  const repository = client.repository()
  assert.equal(await repository.resolve('missing'), undefined)
  assert.equal(await repository.manifest(descriptorOf(Buffer.from('other')).digest), undefined)
  upstream
    .on(BY_TAG, { status: 410, times: 2 })
    .on(BY_DIGEST, { status: 404, body: '<html>', headers: { 'Content-Type': 'text/html' } })
  assert.equal(await repository.resolve('v1'), undefined)
  assert.equal(await repository.manifest(digest), undefined)
})

test('where HEAD is refused or says no digest, a GET finds it out and brings the manifest', async (t) => {
  const heads = {
    400: { status: 400 },
    405: { status: 405 },
    501: { status: 501 },
    'no digest (TestObtainsManifestForTagWithoutHeaders)': {
      headers: { 'Docker-Content-Digest': undefined },
    },
    'a digest that is none': { headers: { 'Docker-Content-Digest': 'sha256:xyz' } },
  }
  for (const [what, head] of Object.entries(heads)) {
    await t.test(what, async () => {
      await using upstream = await withManifest()
      await using client = connectTo(upstream.url)
      upstream.on(BY_TAG, { method: 'HEAD', ...head })
      const resolved = await client.repository().resolve('v1')
      assert.equal(resolved?.digest, digest)
      assert.deepEqual(resolved.manifest?.body, MANIFEST)
      assert.equal(upstream.count('GET', BY_TAG), 1)
    })
  }
})

test('F35 F36 SEC-34 of a manifest by tag its own hash is the digest', async (t) => {
  await using upstream = await withManifest()
  await using client = connectTo(upstream.url)
  const resolveByGet = (headers: Record<string, string | undefined>) => {
    upstream.on(BY_TAG, { method: 'HEAD', status: 405 }).on(BY_TAG, { method: 'GET', headers })
    return client.repository().resolve('v1')
  }
  await t.test('absent', async () => {
    assert.equal((await resolveByGet({ 'Docker-Content-Digest': undefined }))?.digest, digest)
  })
  await t.test('wrong', async () => {
    const wrong = digestOf(Buffer.from('other'))
    await assertFails(resolveByGet({ 'Docker-Content-Digest': wrong }), 'UPSTREAM_INVALID', {
      reason: /another digest/,
    })
  })
  await t.test('SEC-33 sha512 stays sha512', async () => {
    const sha512 = parseDigest(`sha512:${createHash('sha512').update(MANIFEST).digest('hex')}`)
    const resolved = await resolveByGet({ 'Docker-Content-Digest': sha512 })
    assert.equal(resolved?.digest, sha512)
    assert.equal(resolved.manifest?.descriptor.digest, sha512)
  })
  await t.test('the tag moves between HEAD and GET', async () => {
    const newer = indexOf([])
    upstream.addManifest('app', 'v1', newer, OCI_INDEX)
    const resolved = await resolveByGet({})
    assert.deepEqual(resolved?.manifest, {
      descriptor: descriptorOf(newer, OCI_INDEX),
      body: newer,
      references: referencesIn({ body: newer }),
    })
  })
})

test('SEC-34 a manifest by digest hashes to it, whatever the header says', async () => {
  await using upstream = await withManifest()
  await using client = connectTo(upstream.url)
  upstream.on(BY_DIGEST, { headers: { 'Docker-Content-Digest': digestOf(Buffer.from('lie')) } })
  assert.deepEqual((await client.repository().manifest(digest))?.body, MANIFEST)
  upstream.on(BY_DIGEST, { flipByte: 5 })
  await assertFails(client.repository().manifest(digest), 'UPSTREAM_INVALID', { reason: /another digest/ })
})

test('answers that are no manifest are refused', async (t) => {
  const answers = {
    'F38 nothing': { script: { body: '' }, reason: /empty/ },
    'F38 nothing, by its length alone': { script: { headers: { 'Content-Length': '0' } }, reason: /empty/ },
    'SEC-31 F26 a page of HTML': {
      script: { body: '<html>', headers: { 'Content-Type': 'text/html' } },
      reason: /digest/,
    },
    'SEC-36 F27 gzip': { script: { encoding: 'gzip' }, reason: /another digest/ },
    'SEC-30 another type than Content-Type says': {
      script: { headers: { 'Content-Type': OCI_INDEX } },
      reason: /Content-Type/,
    },
    'SEC-35 F39 more than 4 MiB': { script: { body: Buffer.alloc(4 * 1024 * 1024 + 1) }, reason: /longer/ },
    'SEC-35 F39 more than 4 MiB, chunked': {
      script: { body: Buffer.alloc(4 * 1024 * 1024 + 1), contentLength: 'chunked' },
      reason: /longer/,
    },
    'SEC-35 F39 more than 4 MiB until the connection closes': {
      script: { body: Buffer.alloc(4 * 1024 * 1024 + 1), contentLength: 'none' },
      reason: /longer/,
    },
    'SEC-35 99999999999 bytes': {
      script: { headers: { 'Content-Length': '99999999999' } },
      reason: /longer/,
    },
    'another status': { script: { status: 204 }, reason: /undefined/ },
  } as const
  for (const [what, { script, reason }] of Object.entries(answers)) {
    await t.test(what, async () => {
      await using upstream = await withManifest()
      await using client = connectTo(upstream.url)
      upstream.on(BY_DIGEST, script)
      await assertFails(client.repository().manifest(digest), 'UPSTREAM_INVALID', { reason })
      assert.deepEqual((await client.repository().manifest(digest))?.body, MANIFEST)
    })
  }
})

test('SEC-35 a length that is no number, or two, is refused', async () => {
  await using upstream = await withManifest()
  await using client = connectTo(upstream.url)
  for (const length of ['-1', '1e9', '0x10', '99999999999999999999999', '', '10\r\nContent-Length: 11']) {
    upstream.on(BY_DIGEST, { headers: { 'Content-Length': length } })
    const { code } = await failureOf(client.repository().manifest(digest))
    assert.match(code, /^UPSTREAM_(?:INVALID|UNAVAILABLE)$/, `Content-Length: ${length}`)
  }
})

test('F37 a manifest without Content-Type is known by what it says of itself', async () => {
  await using upstream = await withManifest()
  await using client = connectTo(upstream.url)
  upstream.on(BY_DIGEST, { headers: { 'Content-Type': undefined } })
  assert.equal((await client.repository().manifest(digest))?.descriptor.mediaType, OCI_MANIFEST)
})

test('FR-20 a manifest that is sent as plain JSON, or as bytes, is what its body says', async (t) => {
  for (const label of ['application/json', 'application/json; charset=utf-8', 'application/octet-stream']) {
    await t.test(label, async () => {
      await using upstream = await withManifest()
      await using client = connectTo(upstream.url)
      upstream.on(/manifests/, { headers: { 'Content-Type': label }, times: Infinity })
      assert.equal((await client.repository().manifest(digest))?.descriptor.mediaType, OCI_MANIFEST)
      assert.equal((await client.repository().resolve('v1'))?.digest, digest)
    })
  }
  await t.test('and is none where it does not say', async () => {
    await using upstream = await fakeUpstream()
    await using client = connectTo(upstream.url)
    const { digest } = upstream.addManifest('app', 'v1', Buffer.from('{"a":1}'), 'application/json')
    await assertFails(client.repository().manifest(digest), 'UPSTREAM_INVALID', { reason: /media type/ })
  })
})

test('SEC-73: a large manifest is read on another thread, and says what it says here', async () => {
  const layers = Array.from({ length: 9_000 }, (_, i) => ({
    ...descriptorOf(Buffer.from('layer')),
    digest: digestOf(Buffer.from(`${i % 8_000}`)),
    size: i,
  }))
  const large = manifestOf([], { layers })
  await using upstream = await fakeUpstream()
  upstream.addManifest('app', 'large', large, OCI_MANIFEST)
  await using client = connectTo(upstream.url)
  let manifest: Manifest | undefined
  const milliseconds = await longestTurnOf(
    async () => (manifest = await client.repository().manifest(digestOf(large))),
  )
  const here = referencesIn({ body: large })
  assert.deepEqual(manifest?.descriptor, descriptorOf(large, OCI_MANIFEST))
  assert.deepEqual(manifest.body, large)
  assert.deepEqual([...manifest.references!.blobs], [...here.blobs])
  assert.deepEqual([...manifest.references!.digests], [...here.digests].toSorted())
  assert.ok(milliseconds < 50, `${milliseconds} ms of CPU in one turn`)
})

test('SEC-73: bytes beyond those of most answers, and references beyond those of images, are told as weight', async () => {
  await using upstream = await fakeUpstream()
  const weights: number[] = []
  const weighed = (_: string, weight: number): void => void weights.push(weight)
  await using client = connectTo(upstream.url, {}, { weighed })
  const weightOf = async (layers: number, padding: number): Promise<number> => {
    const descriptors = Array.from({ length: layers }, (_, i) => descriptorOf(Buffer.from(`${i}`)))
    const body = manifestOf([], { layers: descriptors, annotations: { padding: 'x'.repeat(padding) } })
    upstream.addManifest('app', 'v1', body, OCI_MANIFEST)
    await client.repository().manifest(digestOf(body))
    const bytes = Math.max(0, body.length - 128 * 1024)
    return weights.splice(0).reduce((sum, weight) => sum + weight, 0) - bytes
  }
  assert.equal(await weightOf(127, 0), 0)
  assert.equal(await weightOf(127, 100_000), 0)
  assert.equal(await weightOf(127, 1_000_000), 0)
  // Each layer, and the config.
  assert.equal(await weightOf(500, 0), 373 * 1024)
  assert.equal(await weightOf(5_000, 10), 4_873 * 1024)
})

test('SEC-73: a large manifest that is none is refused from another thread', async () => {
  const cases = [
    [Buffer.from(`{"layers":[${'{},'.repeat(60_000)}{}]}`), /more than 10000 references/],
    [Buffer.from(`{"schemaVersion":2,"layers":[],"a":"${'x'.repeat(200_000)}`), /not a JSON object/],
  ] as const
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  for (const [body, problem] of cases) {
    upstream.addManifest('app', 'bad', body, OCI_MANIFEST)
    const work = client.repository().manifest(digestOf(body))
    await assertFails(work, 'UPSTREAM_INVALID', { reason: problem })
  }
})

test('a manifest that begins with a byte order mark keeps it, and its digest counts it', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  const marked = Buffer.concat([Buffer.from('\uFEFF'), MANIFEST])
  const { digest } = upstream.addManifest('app', 'v1', marked, OCI_MANIFEST)
  const manifest = await client.repository().manifest(parseDigest(digest))
  assert.deepEqual(manifest?.body, marked)
  assert.deepEqual(manifest?.descriptor, { mediaType: OCI_MANIFEST, digest, size: marked.length })
  assert.equal(digest, digestOf(marked))
})
