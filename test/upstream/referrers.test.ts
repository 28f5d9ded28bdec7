import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { ReferrerList } from '../../src/oci/referrers.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import type { Script } from '../support/fake-upstream/script.ts'
import { indexOf, manifestOf } from '../support/fixtures.ts'
import { assertFails, connectTo } from './setup.ts'

const MANIFEST = manifestOf([Buffer.from('layer')])
const digest = digestOf(MANIFEST)
const TAG = digest.replace(':', '-')

const digestsOf = ({ referrers }: ReferrerList): string[] =>
  referrers.map(({ text }) => JSON.parse(text).digest)

async function withReferrer(options: {
  api: boolean
  tag: boolean
}): Promise<{ upstream: FakeUpstream; sbom: string }> {
  const upstream = await fakeUpstream({ referrers: options.api })
  const subject = upstream.addManifest('app', 'v1', MANIFEST, OCI_MANIFEST)
  const extra = { subject, artifactType: 'application/vnd.example.sbom' }
  const sbom = upstream.addManifest('app', undefined, manifestOf([], extra), OCI_MANIFEST)
  if (options.tag) upstream.addManifest('app', TAG, indexOf([sbom]), OCI_INDEX)
  return { upstream, sbom: sbom.digest }
}

test('the API of the upstream is believed, and asked for all of them', async () => {
  const { upstream, sbom } = await withReferrer({ api: true, tag: false })
  await using _upstream = upstream
  await using client = connectTo(upstream.url)
  const { referrers } = client.repository()
  const list = await referrers(digest)
  assert.deepEqual(digestsOf(list), [sbom])
  assert.equal(list.referrers[0]?.artifactType, 'application/vnd.example.sbom')
  assert.deepEqual(digestsOf(await referrers(digestOf(Buffer.from('other')))), [])
  assert.deepEqual(
    upstream.requests.map(({ method, path }) => `${method} ${path.slice(0, 20)}`),
    Array(2).fill('GET /v2/app/referrers/sh'.slice(0, 24)),
  )
})

test('FR-16 referrers that come in pages are one list', async () => {
  const { upstream, sbom } = await withReferrer({ api: true, tag: false })
  await using _upstream = upstream
  await using client = connectTo(upstream.url)
  const other = { mediaType: OCI_MANIFEST, digest: digestOf(Buffer.from('other')), size: 5 }
  upstream.on(/referrers/, {
    body: indexOf([other]),
    headers: { Link: `</v2/app/referrers/${digest}?page=2>; rel="next"` },
  })
  assert.deepEqual(digestsOf(await client.repository().referrers(digest)), [other.digest, sbom])
  assert.match(upstream.requests.at(-1)!.target, /\?page=2$/)
})

const NO_API: Record<string, Script> = {
  'FR-16 404': { status: 404 },
  'FR-16 400': { status: 400 },
  'FR-16 405': { status: 405 },
  'FR-16 406': { status: 406 },
  'FR-16 501': { status: 501 },
  'FR-05 a 404 of HTML': { status: 404, body: '<html>', headers: { 'Content-Type': 'text/html' } },
  'FR-05 a 200 of HTML': { status: 200, body: '<html>', headers: { 'Content-Type': 'text/html' } },
  'FR-05 a redirect to a page': { status: 307, headers: { Location: '/signin' } },
  'FR-05 a redirect in circles': { status: 302, headers: { Location: `/v2/app/referrers/${digest}` } },
  'FR-05 a redirect to nowhere': { status: 302, headers: { Location: 'mailto:admin' } },
  'JSON that is no index': { status: 200, body: '{}', headers: { 'Content-Type': 'application/json' } },
}

for (const [what, script] of Object.entries(NO_API)) {
  test(`${what} is no API: the fallback tag says who refers to it, or nobody does`, async () => {
    for (const tag of [true, false]) {
      const { upstream, sbom } = await withReferrer({ api: true, tag })
      await using _upstream = upstream
      await using client = connectTo(upstream.url)
      upstream.on(/referrers/, { ...script, times: Infinity })
      upstream.on('/signin', { status: 200, body: '<html>', headers: { 'Content-Type': 'text/html' } })
      assert.deepEqual(digestsOf(await client.repository().referrers(digest)), tag ? [sbom] : [])
    }
  })
}

test('FR-23 an upstream without the API is asked for the tag alone, and the API again after ten minutes', async () => {
  const { upstream } = await withReferrer({ api: false, tag: false })
  await using _upstream = upstream
  let now = 0
  await using client = connectTo(upstream.url, { now: () => now })
  const { referrers } = client.repository()
  for (let round = 0; round < 3; round++) await referrers(digest)
  assert.equal(upstream.count('GET', /referrers/), 1)
  now += 600_001
  await referrers(digest)
  assert.equal(upstream.count('GET', /referrers/), 2)
})

test('a manifest that the upstream does not know says nothing about its API', async () => {
  const { upstream } = await withReferrer({ api: true, tag: false })
  await using _upstream = upstream
  await using client = connectTo(upstream.url)
  const body = JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN' }] })
  upstream.on(/referrers/, { status: 404, body })
  const { referrers } = client.repository()
  assert.deepEqual(digestsOf(await referrers(digest)), [])
  assert.equal(digestsOf(await referrers(digest)).length, 1)
})

test('SEC-72 FR-16 what is no API for one repository, or one digest, is one for the others', async () => {
  const { upstream, sbom } = await withReferrer({ api: true, tag: false })
  await using _upstream = upstream
  await using client = connectTo(upstream.url)
  upstream.on(/nowhere.referrers/, { status: 404, body: '<html>', headers: { 'Content-Type': 'text/html' } })
  assert.deepEqual(digestsOf(await client.repository('nowhere').referrers(digest)), [])
  const { referrers } = client.repository()
  assert.deepEqual(digestsOf(await referrers(digest)), [sbom])
  upstream.on(/app.referrers/, { status: 404 })
  assert.deepEqual(digestsOf(await referrers(digestOf(Buffer.from('other')))), [])
  assert.deepEqual(digestsOf(await referrers(digest)), [sbom])
})

test('FR-16 a list that Go wrote as null, or left out, is an empty one', async () => {
  const { upstream } = await withReferrer({ api: true, tag: true })
  await using _upstream = upstream
  await using client = connectTo(upstream.url)
  for (const body of [
    '{"schemaVersion":2,"manifests":null}',
    JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX }),
  ]) {
    upstream.on(/referrers/, { body, headers: { 'Content-Type': OCI_INDEX } })
    assert.deepEqual(digestsOf(await client.repository().referrers(digest)), [])
  }
  assert.equal(upstream.count('HEAD', /manifests/), 0, 'the API is there')
})

test('FR-09 the fallback tag is fetched by its name where the digest of its HEAD leads nowhere', async () => {
  const { upstream, sbom } = await withReferrer({ api: false, tag: true })
  await using _upstream = upstream
  await using client = connectTo(upstream.url)
  upstream.on(/manifests\/sha256:/, { status: 404, times: Infinity })
  assert.deepEqual(digestsOf(await client.repository().referrers(digest)), [sbom])
})

test('FR-16 who cannot find out does not say "none"', async (t) => {
  for (const [status, code] of [
    [500, 'UPSTREAM_UNAVAILABLE'],
    [429, 'UPSTREAM_LIMITED'],
    [401, 'UPSTREAM_DENIED'],
  ] as const) {
    await t.test(`${status}`, async () => {
      const { upstream } = await withReferrer({ api: true, tag: false })
      await using _upstream = upstream
      await using client = connectTo(upstream.url)
      upstream.on(/referrers/, { status, times: Infinity })
      await assertFails(client.repository().referrers(digest), code)
    })
  }
  await t.test('an index that is none', async () => {
    const { upstream } = await withReferrer({ api: true, tag: false })
    await using _upstream = upstream
    await using client = connectTo(upstream.url)
    upstream.on(/referrers/, { body: '{}' })
    await assertFails(client.repository().referrers(digest), 'UPSTREAM_INVALID', { reason: /no index/ })
  })
})
