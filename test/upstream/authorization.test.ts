import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { assertFails, bytesOf, connectTo, failureOf, login } from './setup.ts'

const { bytes, digest } = blobOf(1000)
const BASIC = `Basic ${Buffer.from('ci:secret').toString('base64')}`

test('a bearer upstream: challenged once, then every question brings the token of its scope', async () => {
  await using upstream = await fakeUpstream({
    auth: { scheme: 'bearer', username: 'ci', password: 'secret' },
  })
  await using client = connectTo(upstream.url, { credentials: login('ci', 'secret') })
  upstream.addBlob(bytes)
  assert.deepEqual(await bytesOf(await client.repository('a/b').blob(digest)), bytes)
  assert.deepEqual(await bytesOf(await client.repository('a/b').blob(digest)), bytes)
  assert.equal(upstream.count('GET', /blobs/), 3)
  await client.repository('c').statBlob(digest)
  const [first, second, ...rest] = upstream.find('GET', '/token')
  assert.deepEqual(rest, [])
  assert.equal(first?.target, '/token?service=fake&scope=repository%3Aa%2Fb%3Apull')
  assert.equal(second?.target, '/token?service=fake&scope=repository%3Ac%3Apull')
  assert.equal(first.headers['authorization'], BASIC)
  // The password goes to the realm, the registry sees the token alone.
  assert.ok(
    upstream.requests.every(({ path, headers }) => path === '/token' || headers['authorization'] !== BASIC),
  )
})

test('an anonymous token needs no credentials, and none are made up', async () => {
  await using upstream = await fakeUpstream({ auth: { scheme: 'bearer' } })
  await using client = connectTo(upstream.url)
  upstream.addBlob(bytes)
  assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
  assert.equal(upstream.find('GET', '/token')[0]?.headers['authorization'], undefined)
})

test('a basic upstream gets the password, once it has asked for it', async () => {
  await using upstream = await fakeUpstream({ auth: { scheme: 'basic', username: 'ci', password: 'secret' } })
  await using client = connectTo(upstream.url, { credentials: login('ci', 'secret') })
  upstream.addBlob(bytes)
  await client.repository().statBlob(digest)
  await client.repository().statBlob(digest)
  assert.deepEqual(
    upstream.requests.map(({ headers }) => headers['authorization']),
    [undefined, BASIC, BASIC],
  )
})

test('an upstream without a challenge is asked once per question', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url, { credentials: login('ci', 'secret') })
  upstream.addBlob(bytes)
  await client.repository().statBlob(digest)
  assert.deepEqual(
    upstream.requests.map(({ headers }) => headers['authorization']),
    [undefined],
  )
})

test('wrong credentials are a denial that names the upstream, and are mended without a restart', async (t) => {
  for (const scheme of ['basic', 'bearer'] as const) {
    await t.test(scheme, async () => {
      await using upstream = await fakeUpstream({ auth: { scheme, username: 'ci', password: 'secret' } })
      let password = 'wrong'
      await using client = connectTo(upstream.url, {
        credentials: async () => ({ username: 'ci', password }),
      })
      upstream.addBlob(bytes)
      await assertFails(client.repository().blob(digest), 'UPSTREAM_DENIED', {
        status: 401,
        reason: 'UNAUTHORIZED',
      })
      password = 'secret'
      assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
    })
  }
})

test('F9 F16 a refused token is renewed once, whoever else waits, and then the answer stands', async (t) => {
  await using upstream = await fakeUpstream({ auth: { scheme: 'bearer' } })
  await using client = connectTo(upstream.url)
  const repository = client.repository()
  upstream.addBlob(bytes)
  await repository.statBlob(digest)

  await t.test('a revoked token, 20 at once', async () => {
    upstream.revokeTokens()
    const bodies = await Promise.all(
      Array.from({ length: 20 }, async () => bytesOf(await repository.blob(digest))),
    )
    for (const body of bodies) assert.deepEqual(body, bytes)
    assert.equal(upstream.tokenRequests, 2)
  })
  for (const status of [401, 403]) {
    await t.test(`rights withdrawn: ${status}`, async () => {
      const before = upstream.tokenRequests
      upstream.on('/v2/app/manifests/v1', { status, times: Infinity })
      await assertFails(repository.resolve('v1'), 'UPSTREAM_DENIED', { status })
      // One for the HEAD, and one for the GET that decides.
      assert.equal(upstream.tokenRequests, before + 2)
      upstream.forgetScripts()
    })
  }
})

test('SEC-01 credentials are not sent to a realm of the challenge’s own choosing', async () => {
  await using evil = await fakeUpstream()
  await using upstream = await fakeUpstream({ auth: { scheme: 'bearer', realm: `${evil.url}/token` } })
  await using client = connectTo(upstream.url, { credentials: login('ci', 'secret') })
  const reason = `token realm ${evil.authority} is not in tokenRealms`
  await assertFails(client.repository().blob(digest), 'UPSTREAM_INVALID', { reason })
  assert.equal(evil.requests.length, 0)
})

test('SEC-01 a listed realm on another host is used', async () => {
  await using realm = await fakeUpstream()
  realm.on('/token', { status: 200, body: '{"token":"good"}' })
  await using upstream = await fakeUpstream()
  upstream.addBlob(bytes)
  const challenge = `Bearer realm="${realm.url}/token",service="x"`
  upstream.on(/blobs/, { status: 401, headers: { 'WWW-Authenticate': challenge } })
  await using client = connectTo(upstream.url, {
    tokenRealms: [realm.url],
    credentials: login('ci', 'secret'),
  })
  assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
  assert.equal(realm.requests[0]?.headers['authorization'], BASIC)
  assert.equal(upstream.requests[1]?.headers['authorization'], 'Bearer good')
})

test('SEC-02 a token realm that redirects is not followed', async () => {
  await using evil = await fakeUpstream()
  await using upstream = await fakeUpstream({
    auth: { scheme: 'bearer', username: 'ci', password: 'secret' },
  })
  upstream.on('/token', { status: 302, headers: { Location: `${evil.url}/token` }, times: Infinity })
  await using client = connectTo(upstream.url, { credentials: login('ci', 'secret') })
  await assertFails(client.repository().blob(digest), 'UPSTREAM_INVALID', {
    reason: 'the token realm redirects',
  })
  assert.equal(evil.requests.length, 0)
})

test('the realm’s own troubles keep their class', async (t) => {
  const troubles = {
    401: 'UPSTREAM_DENIED',
    403: 'UPSTREAM_DENIED',
    429: 'UPSTREAM_LIMITED',
    503: 'UPSTREAM_UNAVAILABLE',
  } as const
  for (const [status, code] of Object.entries(troubles)) {
    await t.test(status, async () => {
      await using upstream = await fakeUpstream({ auth: { scheme: 'bearer' } })
      await using client = connectTo(upstream.url)
      upstream.on('/token', { status: Number(status), headers: { 'Retry-After': '7' } })
      await assertFails(client.repository().resolve('v1'), code, {
        status: Number(status),
        ...(status === '429' && { retryAfter: 7 }),
      })
    })
  }
})

test('an upstream that moves to another realm is followed there without a restart', async () => {
  await using oldRealm = await fakeUpstream()
  await using newRealm = await fakeUpstream()
  await using upstream = await fakeUpstream()
  upstream.addBlob(bytes)
  const challengeTo = (realm: string): void => {
    upstream.on(/blobs/, { status: 401, headers: { 'WWW-Authenticate': `Bearer realm="${realm}/token"` } })
  }
  await using client = connectTo(upstream.url, { tokenRealms: [oldRealm.url, newRealm.url] })
  oldRealm.on('/token', { status: 200, body: '{"token":"old"}' })
  newRealm.on('/token', { status: 200, body: '{"token":"new"}' })
  challengeTo(oldRealm.url)
  await client.repository('a').statBlob(digest)
  await oldRealm.stop()
  await assertFails(client.repository('b').statBlob(digest), 'UPSTREAM_UNAVAILABLE', {
    reason: 'ECONNREFUSED',
  })
  challengeTo(newRealm.url)
  await client.repository('b').statBlob(digest)
  assert.equal(upstream.requests.at(-1)?.headers['authorization'], 'Bearer new')
})

test('a token answer that breaks off is an outage', async () => {
  await using upstream = await fakeUpstream({ auth: { scheme: 'bearer' } })
  await using client = connectTo(upstream.url)
  upstream.on('/token', { atByte: { k: 5, then: 'reset' } })
  await assertFails(client.repository().resolve('v1'), 'UPSTREAM_UNAVAILABLE')
})

test('a challenge that asks for a scope of its own kind gets that as well', async () => {
  await using upstream = await fakeUpstream()
  upstream.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
  upstream.on(/manifests/, {
    status: 401,
    headers: { 'WWW-Authenticate': `Bearer realm="${upstream.url}/token",scope="aws"` },
  })
  upstream.on('/token', { status: 200, body: '{"token":"good"}' })
  await using client = connectTo(upstream.url)
  assert.ok(await client.repository().resolve('v1'))
  assert.equal(upstream.find('GET', '/token')[0]?.target, '/token?scope=repository%3Aapp%3Apull&scope=aws')
})

test('SEC-60 nothing that was secret stands in an error', async () => {
  await using upstream = await fakeUpstream({
    auth: { scheme: 'bearer', username: 'ci', password: 'secret' },
    redirectBlobs: 307,
  })
  await using client = connectTo(upstream.url, { credentials: login('ci', 'secret') })
  upstream.addBlob(bytes)
  upstream.cdn.on(/data/, {
    status: 500,
    body: '{"errors":[{"code":"token secret","message":"signature=abc"}]}',
  })
  const error = await failureOf(client.repository().blob(digest))
  assert.equal(error.code, 'UPSTREAM_UNAVAILABLE')
  const shown = JSON.stringify([error.message, error.detail])
  for (const secret of ['secret', 'signature', BASIC.slice(6)]) assert.ok(!shown.includes(secret), shown)
})
