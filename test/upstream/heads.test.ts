/** HEAD is a hint, GET decides. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import type { Script } from '../support/fake-upstream/script.ts'
import { blobOf, descriptorOf, indexOf, manifestOf } from '../support/fixtures.ts'
import { assertFails, connectTo } from './setup.ts'

const MANIFEST = manifestOf([Buffer.from('layer')])
const { digest: manifest } = descriptorOf(MANIFEST)
const { bytes, digest } = blobOf(1000)
const BY_TAG = '/v2/app/manifests/v1'
const BLOB = `/v2/app/blobs/${digest}`
const HOUR = 3_600_000

async function withContent(head?: Script): Promise<FakeUpstream> {
  const upstream = await fakeUpstream()
  upstream.addManifest('app', 'v1', MANIFEST, OCI_MANIFEST)
  upstream.addBlob(bytes)
  if (head !== undefined) upstream.on(/\/(?:manifests|blobs)\//, { method: 'HEAD', ...head, times: Infinity })
  return upstream
}

suite('of a manifest', () => {
  for (const status of [400, 401, 403, 404, 405, 406, 410, 500, 501]) {
    test(`FR-08 HEAD is ${status}: GET by tag decides, and is asked at once the next time`, async () => {
      await using upstream = await withContent({ status })
      let now = 0
      await using client = connectTo(upstream.url, { now: () => now })
      const { resolve } = client.repository()
      assert.equal((await resolve('v1'))?.digest, manifest)
      assert.equal((await resolve('v1'))?.digest, manifest)
      assert.deepEqual([upstream.count('HEAD', BY_TAG), upstream.count('GET', BY_TAG)], [1, 2])
      now += HOUR
      upstream.forgetScripts()
      assert.deepEqual(await resolve('v1'), { digest: manifest })
      assert.equal(upstream.count('HEAD', BY_TAG), 2)
    })
  }

  test('FR-08 what GET does not have either does not exist, and teaches nothing', async () => {
    await using upstream = await withContent()
    await using client = connectTo(upstream.url)
    const { resolve } = client.repository()
    assert.equal(await resolve('nowhere'), undefined)
    assert.deepEqual(await resolve('v1'), { digest: manifest })
    assert.equal(upstream.count('HEAD', BY_TAG), 1)
  })

  test('FR-08 an outage and a limit are no answer of HEAD, and cost no GET', async () => {
    for (const [status, code] of [
      [429, 'UPSTREAM_LIMITED'],
      [502, 'UPSTREAM_UNAVAILABLE'],
      [503, 'UPSTREAM_UNAVAILABLE'],
    ] as const) {
      await using upstream = await withContent({ status })
      await using client = connectTo(upstream.url)
      await assertFails(client.repository().resolve('v1'), code, { status })
      assert.equal(upstream.count('GET', BY_TAG), 0)
    }
  })

  test('FR-08 a GET that is denied, too, is a denial', async () => {
    await using upstream = await withContent()
    await using client = connectTo(upstream.url)
    upstream.on(BY_TAG, { status: 403, times: Infinity })
    await assertFails(client.repository().resolve('v1'), 'UPSTREAM_DENIED', { status: 403 })
  })

  test('SEC-72 a repository whose HEAD is odd teaches nothing about the others', async () => {
    await using upstream = await withContent()
    upstream.addManifest('odd', 'v1', MANIFEST, OCI_MANIFEST)
    upstream.on(/odd\/manifests/, { method: 'HEAD', status: 404, times: Infinity })
    upstream.on(/odd\/blobs/, { method: 'HEAD', status: 404, times: Infinity })
    await using client = connectTo(upstream.url)
    const odd = client.repository('odd')
    assert.equal((await odd.resolve('v1'))?.digest, manifest)
    assert.equal((await odd.statBlob(digest))?.size, bytes.length)
    const { resolve, statBlob } = client.repository()
    assert.deepEqual(await resolve('v1'), { digest: manifest })
    assert.equal((await statBlob(digest))?.size, bytes.length)
    assert.equal(upstream.count('GET', /\/v2\/app\//), 0)
  })

  test('SEC-72 HEAD that is right in one repository is not believed in another that an absent tag is absent', async () => {
    await using upstream = await withContent()
    const subject = digestOf(Buffer.from('subject'))
    const index = indexOf([descriptorOf(MANIFEST, OCI_MANIFEST)])
    upstream.addManifest('odd', subject.replace(':', '-'), index, OCI_INDEX)
    upstream.on(/odd\/manifests/, { method: 'HEAD', status: 404, times: Infinity })
    await using client = connectTo(upstream.url)
    await client.repository().resolve('v1')
    assert.equal((await client.repository('odd').referrers(subject)).referrers.length, 1)
  })

  test('FR-09 a digest that HEAD states and that is not there: what comes by tag counts', async () => {
    await using upstream = await withContent({
      headers: { 'Docker-Content-Digest': digestOf(Buffer.from('lie')) },
    })
    await using client = connectTo(upstream.url)
    const { resolveByGet, resolve } = client.repository()
    assert.equal((await resolveByGet('v1'))?.digest, manifest)
    assert.equal((await resolve('v1'))?.digest, manifest)
    assert.equal(upstream.count('HEAD', BY_TAG), 0)
  })
})

suite('of a blob', () => {
  const heads: Record<string, Script> = {
    'FR-06 404': { status: 404 },
    'FR-06 405': { status: 405 },
    'FR-06 403, for a URL signed for GET': { status: 403 },
    'FR-06 500': { status: 500 },
    'FR-07 a length of 0': { headers: { 'Content-Length': '0' } },
    'FR-07 no length': { contentLength: 'chunked' },
    'FR-07 a length of something encoded': { headers: { 'Content-Encoding': 'gzip', 'Content-Length': '7' } },
  }
  for (const [what, head] of Object.entries(heads)) {
    test(`${what}: a byte by GET says that it is there, and how long, the next time without a HEAD`, async () => {
      await using upstream = await withContent(head)
      await using client = connectTo(upstream.url)
      const { statBlob } = client.repository()
      assert.equal((await statBlob(digest))?.size, bytes.length)
      assert.equal((await statBlob(digest))?.size, bytes.length)
      assert.deepEqual([upstream.count('HEAD', BLOB), upstream.count('GET', BLOB)], [1, 2])
      for (const { headers } of upstream.find('GET', BLOB)) assert.equal(headers['range'], 'bytes=0-0')
    })
  }

  test('FR-06 what GET does not have either does not exist', async () => {
    await using upstream = await withContent()
    await using client = connectTo(upstream.url)
    assert.equal(await client.repository().statBlob(digestOf(Buffer.from('nowhere'))), undefined)
    await client.repository().statBlob(digest)
    assert.equal(upstream.count('HEAD', BLOB), 1)
  })

  test('FR-07 an empty blob has no length, and HEAD is right about it', async () => {
    await using upstream = await withContent()
    await using client = connectTo(upstream.url)
    const empty = upstream.addBlob(Buffer.alloc(0))
    assert.equal((await client.repository().statBlob(empty))?.size, 0)
    assert.equal(upstream.count('GET', /blobs/), 0)
  })
})
