import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { followRedirects } from '../../src/upstream/net/redirects.ts'
import type { UpstreamResponse } from '../../src/upstream/requests.ts'
import { blobOf } from '../support/fixtures.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { assertFails, bytesOf, connectTo, login } from './setup.ts'

const { bytes, digest } = blobOf(10_000)
const PATH = `/v2/app/blobs/${digest}`

test('SEC-03 a redirect target on another port gets neither credentials nor cookies', async (t) => {
  for (const status of [301, 302, 303, 307, 308] as const) {
    await t.test(String(status), async () => {
      await using upstream = await fakeUpstream({
        redirectBlobs: status,
        auth: { scheme: 'basic', username: 'ci', password: 'secret' },
      })
      await using client = connectTo(upstream.url, { credentials: login('ci', 'secret') })
      upstream.addBlob(bytes)
      assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
      assert.deepEqual(
        await bytesOf(await client.repository().blob(digest, { start: 9000 })),
        bytes.subarray(9000),
      )
      assert.equal(upstream.cdn.requests.length, 2)
      for (const { headers } of upstream.cdn.requests) {
        assert.deepEqual(
          Object.keys(headers).filter((name) => /auth|cookie|proxy|forwarded|referer/.test(name)),
          [],
        )
      }
      assert.equal(upstream.cdn.requests[1]?.headers['range'], 'bytes=9000-')
    })
  }
})

test('a redirect within the upstream keeps the credentials', async () => {
  await using upstream = await fakeUpstream({ auth: { scheme: 'basic', username: 'ci', password: 'secret' } })
  await using client = connectTo(upstream.url, { credentials: login('ci', 'secret') })
  upstream.addBlob(bytes)
  upstream.on(PATH, {}).on(PATH, { status: 307, headers: { Location: `/v2/moved/blobs/${digest}` } })
  assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
})

test('F32 an expired signed URL sends us back to the registry, once, and no Location is kept', async (t) => {
  for (const status of [401, 403, 404, 410]) {
    await t.test(`the signed URL answers ${status}`, async () => {
      await using upstream = await fakeUpstream({ redirectBlobs: 307 })
      await using client = connectTo(upstream.url)
      upstream.addBlob(bytes)
      upstream.cdn.on(/data/, { status })
      assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
      assert.equal(upstream.count('GET', PATH), 2)
      const [expired, fresh] = upstream.cdn.requests
      assert.notEqual(expired?.target, fresh?.target)
      upstream.expireSignatures()
      assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
      assert.equal(upstream.count('GET', PATH), 3)
    })
  }
  await t.test('for ever', async () => {
    await using upstream = await fakeUpstream({ redirectBlobs: 307 })
    await using client = connectTo(upstream.url)
    upstream.addBlob(bytes)
    upstream.cdn.on(/data/, { status: 403, times: Infinity })
    await assertFails(client.repository().blob(digest), 'UPSTREAM_DENIED', { status: 403 })
    assert.equal(upstream.count('GET', PATH), 2)
  })
})

test('F33 redirects that lead nowhere are refused', async (t) => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  upstream.addBlob(bytes)
  const cases: [what: string, locations: (string | undefined)[], reason: RegExp][] = [
    ['to itself', [PATH], /loop/],
    ['in a circle', ['/a', PATH], /loop/],
    ['six times', ['/1', '/2', '/3', '/4', '/5', '/6'], /too many/],
    ['without a Location', [undefined], /nowhere/],
    ['with an empty one', [''], /nowhere/],
    ['to no URL', ['http://['], /nowhere/],
    ['to another protocol', ['file:///etc/passwd'], /redirect to file:/],
  ]
  for (const [what, locations, reason] of cases) {
    await t.test(what, async () => {
      let from = PATH
      for (const Location of locations) {
        upstream.on(from, { status: 307, headers: { Location } })
        from = Location ?? ''
      }
      await assertFails(client.repository().blob(digest), 'UPSTREAM_INVALID', { reason })
    })
  }
  await t.test('but five times is followed', async () => {
    const hops = ['/1', '/2', '/3', '/4']
    let from = PATH
    for (const Location of [...hops, `/v2/moved/blobs/${digest}`]) {
      upstream.on(from, { status: 302, headers: { Location } })
      from = Location
    }
    assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
  })
})

test('whoever is asked directly, at another origin, and refuses is asked once', async () => {
  for (const status of [401, 403, 404, 410]) {
    let asked = 0
    const host = new URL('http://images.example/v1/images/a/layer')
    const send = followRedirects({
      upstream: 'up',
      origin: 'http://registry.example',
      own: () => Promise.reject(new Error('the registry is not asked')),
      others: async ({ url }) => {
        asked += 1
        return { status, headers: {}, body: Readable.from([]) as unknown as UpstreamResponse['body'], url }
      },
    })
    assert.equal((await send({ kind: 'blob', method: 'GET', url: host })).status, status)
    assert.equal(asked, 1)
  }
})
