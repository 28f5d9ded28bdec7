import assert from 'node:assert/strict'
import { blackHole } from '../support/black-hole.ts'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { promisify } from 'node:util'
import type { ErrorCode } from '../../src/oci/errors.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { retryAfterSeconds } from '../../src/upstream/failures.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { faultLink } from '../support/fault-link.ts'
import { blobOf, eventually, manifestOf, selfSignedCertificate } from '../support/fixtures.ts'
import { assertFails, bytesOf, connectTo, loopback } from './setup.ts'

const { bytes, digest } = blobOf(100_000)
const BY_TAG = '/v2/app/manifests/v1'

test('every status keeps its class (F7, F9, F10; distribution: errors_test.go)', async (t) => {
  const classes: [status: number, code: ErrorCode][] = [
    [401, 'UPSTREAM_DENIED'],
    [403, 'UPSTREAM_DENIED'],
    [408, 'UPSTREAM_TIMEOUT'],
    [418, 'UPSTREAM_INVALID'],
    [429, 'UPSTREAM_LIMITED'],
    [500, 'UPSTREAM_UNAVAILABLE'],
    [502, 'UPSTREAM_UNAVAILABLE'],
    [503, 'UPSTREAM_UNAVAILABLE'],
    [504, 'UPSTREAM_UNAVAILABLE'],
  ]
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  for (const [status, code] of classes) {
    await t.test(String(status), async () => {
      const body = JSON.stringify({ errors: [{ code: 'SOME_CODE', message: 'what we sent' }] })
      upstream.on(/blobs/, { status, body })
      await assertFails(client.repository().blob(digest), code, { status, reason: 'SOME_CODE' })
      upstream.on(/manifests/, { status, times: Infinity })
      await assertFails(client.repository().resolve('v1'), code, { status })
      upstream.forgetScripts()
    })
  }
  const bodies = [
    '',
    'text',
    '[]',
    '{"errors":[]}',
    '{"errors":null}',
    '{"errors":[{"code":"not a code"}]}',
    'null',
  ]
  for (const body of bodies) {
    await t.test(`a body of ${body || 'nothing'}`, async () => {
      upstream.on(/blobs/, { status: 403, body })
      await assertFails(client.repository().blob(digest), 'UPSTREAM_DENIED', { status: 403 })
    })
  }
})

test('SEC-07 of an endless error 64 KiB are read, then its connection is closed', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  upstream.on(/blobs/, { status: 500, body: Buffer.alloc(64 * 1024 * 1024), contentLength: 'chunked' })
  await assertFails(client.repository().blob(digest), 'UPSTREAM_UNAVAILABLE', { status: 500 })
  await eventually(() => upstream.connections === 0)
  assert.ok(upstream.bodyBytes(/blobs/) < 32 * 1024 * 1024)
})

test('SEC-09 a challenge is never part of what we tell', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  upstream.on(/blobs/, {
    status: 401,
    headers: { 'WWW-Authenticate': 'Basic realm="give me your password"' },
  })
  await assertFails(client.repository().blob(digest), 'UPSTREAM_DENIED', { status: 401, reason: 'UNKNOWN' })
})

test('F10 F11 a limit says when it ends, where upstream does, and how much is left is told', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  upstream.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
  upstream.on(BY_TAG, { status: 429, headers: { 'Retry-After': '3600' } })
  await assertFails(client.repository().resolve('v1'), 'UPSTREAM_LIMITED', { status: 429, retryAfter: 3600 })
  upstream.on(BY_TAG, { headers: { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '37;w=21600' } })
  await client.repository().resolve('v1')
  assert.deepEqual(client.told, ['answered tag 429', 'answered tag 200', 'remaining 37'])

  const now = Date.parse('2026-01-01T00:00:00Z')
  assert.equal(retryAfterSeconds('120', now), 120)
  assert.equal(retryAfterSeconds('Thu, 01 Jan 2026 00:02:00 GMT', now), 120)
  assert.equal(retryAfterSeconds('Wed, 31 Dec 2025 00:00:00 GMT', now), 0)
  assert.equal(retryAfterSeconds('-5', now) ?? 0, 0)
  assert.equal(retryAfterSeconds('soon', now), undefined)
  assert.equal(retryAfterSeconds(undefined, now), undefined)
})

test('F3 a connection that is never made is given up in time', async () => {
  await using hole = await blackHole()
  await using client = connectTo(hole.url, { timeouts: { connect: 300, headers: 5_000 } })
  await assertFails(client.repository().resolve('latest'), 'UPSTREAM_TIMEOUT', { reason: /TIMEOUT/ })
})

test('F1 F2 who is not there is named with the cause', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  await upstream.stop()
  await assertFails(client.repository().resolve('v1'), 'UPSTREAM_UNAVAILABLE', { reason: 'ECONNREFUSED' })
  assert.deepEqual(client.told, ['answered tag undefined'])
  await using nowhere = connectTo('http://registry.invalid', {
    lookup: (_, __, callback) =>
      callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), ''),
  })
  await assertFails(nowhere.repository().resolve('v1'), 'UPSTREAM_UNAVAILABLE', { reason: 'ENOTFOUND' })
  await using slowDns = connectTo('http://registry.invalid', { lookup: () => {}, timeouts: { connect: 100 } })
  await assertFails(slowDns.repository().resolve('v1'), 'UPSTREAM_TIMEOUT', {
    reason: 'UND_ERR_CONNECT_TIMEOUT',
  })
})

test('a restarted upstream is found again, on the connections that were open before too', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  upstream.addBlob(bytes)
  for (let i = 0; i < 5; i++) {
    assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
    await upstream.stop()
    await upstream.start()
  }
})

test('a connection that is cut before the headers is tried once more', async () => {
  await using upstream = await fakeUpstream()
  await using link = await faultLink(upstream.url, { resetAtByte: 10 })
  await using client = connectTo(link.url)
  upstream.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
  await assertFails(client.repository().resolve('v1'), 'UPSTREAM_UNAVAILABLE')
  assert.equal(upstream.count('HEAD', BY_TAG), 2)
  link.set({})
  assert.ok(await client.repository().resolve('v1'))
})

test('F5 F6 the time to the headers is bounded in all, however they come', async (t) => {
  const scripts = {
    'F5 accepts and never answers': { delayMs: Infinity },
    'F6 headers at a byte now and then': { headerBytesPerSecond: 20 },
  }
  for (const [what, script] of Object.entries(scripts)) {
    await t.test(what, async () => {
      await using upstream = await fakeUpstream()
      await using client = connectTo(upstream.url, { timeouts: { headers: 200 } })
      upstream.on(BY_TAG, script)
      const begin = performance.now()
      await assertFails(client.repository().resolve('v1'), 'UPSTREAM_TIMEOUT')
      assert.ok(performance.now() - begin < 2_000)
      assert.deepEqual(
        client.told.filter((what) => !what.includes('ping')),
        ['answered tag undefined'],
      )
      await eventually(() => upstream.connections === 0)
    })
  }
  await t.test('a token that does not come', async () => {
    await using upstream = await fakeUpstream({ auth: { scheme: 'bearer' } })
    await using client = connectTo(upstream.url, { timeouts: { headers: 200 } })
    upstream.on('/token', { delayMs: Infinity })
    await assertFails(client.repository().resolve('v1'), 'UPSTREAM_TIMEOUT')
    upstream.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
    // The shared request for the token may outlive the question that began it by a moment.
    await eventually(() =>
      client
        .repository()
        .resolve('v1')
        .then(
          (resolved) => resolved !== undefined,
          () => false,
        ),
    )
  })
  await t.test('credentials that do not come', async () => {
    await using upstream = await fakeUpstream({ auth: { scheme: 'bearer' } })
    const { promise } = Promise.withResolvers<undefined>()
    await using client = connectTo(upstream.url, { timeouts: { headers: 200 }, credentials: () => promise })
    await assertFails(client.repository().resolve('v1'), 'UPSTREAM_TIMEOUT')
  })
  await t.test('a manifest that breaks its flow', async () => {
    await using upstream = await fakeUpstream()
    await using client = connectTo(upstream.url, { timeouts: { headers: 200 } })
    const { digest } = upstream.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
    upstream.on(/manifests/, { atByte: { k: 10, then: 'stall' } })
    await assertFails(client.repository().manifest(digest), 'UPSTREAM_TIMEOUT')
    await eventually(() => upstream.connections === 0)
  })
  await t.test('an error whose body does not end keeps its class', async () => {
    await using upstream = await fakeUpstream()
    await using client = connectTo(upstream.url, { timeouts: { headers: 200 } })
    upstream.on(/blobs/, { status: 429, atByte: { k: 10, then: 'stall' } })
    await assertFails(client.repository().blob(digest), 'UPSTREAM_LIMITED', { status: 429 })
  })
})

test('F34 a slow body is not too slow, and outlives the time for headers', async () => {
  await using upstream = await fakeUpstream({ bytesPerSecond: 200_000 })
  await using client = connectTo(upstream.url, { timeouts: { headers: 200, idle: 5_000 } })
  upstream.addBlob(bytes)
  assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
})

test('F20 a reader that takes its time is not an upstream that stalls', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url, { timeouts: { idle: 100 } })
  const repository = client.repository()
  const large = blobOf(8 * 1024 * 1024)
  upstream.addBlob(large.bytes)
  upstream.addBlob(bytes)
  const slow = (await repository.blob(large.digest))![Symbol.asyncIterator]()
  const read = [(await slow.next()).value!]
  // Another body, which does stall, tells that the time is over.
  upstream.on(/blobs/, { atByte: { k: 10, then: 'stall' } })
  await assertFails(repository.blob(digest).then(bytesOf), 'UPSTREAM_TIMEOUT')
  for (let next; !(next = await slow.next()).done;) read.push(next.value)
  assert.deepEqual(Buffer.concat(read), large.bytes)
})

test('F14 F53 manifests and tokens do not wait behind blobs', async () => {
  await using upstream = await fakeUpstream({ auth: { scheme: 'bearer' } })
  await using client = connectTo(upstream.url, { metadataRequests: 1 })
  upstream.addBlob(bytes)
  upstream.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
  const repository = client.repository()
  await repository.resolve('v1')
  upstream.on(/blobs/, { delayMs: Infinity, times: 50 })
  const abort = new AbortController()
  const stuck = Array.from({ length: 50 }, () => repository.blob(digest, undefined, abort.signal))
  await eventually(() => upstream.count('GET', /blobs/) === 50)
  upstream.revokeTokens()
  assert.ok(await repository.resolve('v1'))
  abort.abort()
  await Promise.allSettled(stuck)
})

test('F4 a certificate that does not prove the upstream is an outage, never plain text', async (t) => {
  const tls = selfSignedCertificate()
  await using upstream = await fakeUpstream({ tls })
  upstream.addBlob(bytes)
  await t.test('unknown authority', async () => {
    await using client = connectTo(upstream.url)
    await assertFails(client.repository().blob(digest), 'UPSTREAM_UNAVAILABLE', {
      reason: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    })
    assert.equal(upstream.requests.length, 0)
  })
  await t.test('the configured authority', async () => {
    await using client = connectTo(upstream.url, { ca: tls.cert })
    assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
  })
  await t.test('wrong host', async () => {
    await using client = connectTo(`https://other.example:${upstream.port}`, {
      ca: tls.cert,
      lookup: loopback,
    })
    await assertFails(client.repository().blob(digest), 'UPSTREAM_UNAVAILABLE', {
      reason: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
  })
  await t.test('plain text on the TLS port', async () => {
    await using server = await saying('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
    await using client = connectTo(`https://${server.authority}`)
    await assertFails(client.repository().blob(digest), 'UPSTREAM_UNAVAILABLE', { reason: /^ERR_SSL_/ })
  })
  await t.test('F33 a redirect from https to http is refused', async () => {
    await using client = connectTo(upstream.url, { ca: tls.cert })
    upstream.on(/blobs/, { status: 307, headers: { Location: `http://${upstream.authority}/` } })
    await assertFails(client.repository().blob(digest), 'UPSTREAM_INVALID', { reason: 'redirect to http://' })
  })
})

test('what answers is not HTTP', async () => {
  await using server = await saying('SSH-2.0-OpenSSH_9.2\r\n')
  await using client = connectTo(`http://${server.authority}`)
  await assertFails(client.repository().resolve('v1'), 'UPSTREAM_INVALID', { reason: /^HPE_/ })
})

test('nothing is dialled before the first question', async () => {
  await using upstream = await fakeUpstream()
  await using client = connectTo(upstream.url)
  client.repository('a')
  await upstream.stop()
  await upstream.start()
  assert.equal(upstream.requests.length, 0)
  assert.equal(upstream.connections, 0)
})

/** A server that says this to everyone, whatever they say. */
async function saying(text: string): Promise<AsyncDisposable & { authority: string }> {
  const server = createServer((socket) => {
    socket
      .on('error', () => {})
      .resume()
      .end(text)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { authority: `127.0.0.1:${port}`, [Symbol.asyncDispose]: promisify(server.close.bind(server)) }
}
