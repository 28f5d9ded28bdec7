import assert from 'node:assert/strict'
import type { LookupFunction } from 'node:net'
import { test } from 'node:test'
import { proxiesFrom } from '../../src/upstream/net/proxy-environment.ts'
import { fakeProxy } from '../support/fake-proxy.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, selfSignedCertificate } from '../support/fixtures.ts'
import { assertFails, bytesOf, type ConnectOptions, connectTo, failureOf, login } from './setup.ts'

const proxyOf = (env: Record<string, string>, url: string) => proxiesFrom(env)(new URL(url))?.href

test('which proxy a host is reached through, and which none', () => {
  const both = { HTTPS_PROXY: 'http://secure.corp:3128', http_proxy: 'plain.corp:8080' }
  assert.equal(proxyOf(both, 'https://ghcr.io'), 'http://secure.corp:3128/')
  assert.equal(proxyOf(both, 'http://ghcr.io'), 'http://plain.corp:8080/')
  assert.equal(proxyOf({ HTTP_PROXY: 'http://p' }, 'https://ghcr.io'), undefined)
  assert.equal(
    proxyOf({ HTTPS_PROXY: 'http://upper', https_proxy: 'http://lower' }, 'https://a.b'),
    'http://lower/',
  )
  assert.equal(proxyOf({ HTTPS_PROXY: '' }, 'https://ghcr.io'), undefined)
  for (const url of [
    'https://localhost:5000',
    'https://127.0.0.1',
    'https://127.9.9.9:1',
    'https://[::1]:5000',
  ]) {
    assert.equal(proxyOf(both, url), undefined, url)
  }
})

test('NO_PROXY has names with their subdomains, addresses, subnets, ports and all', () => {
  const cases: [list: string, url: string, direct: boolean][] = [
    ['ghcr.io', 'https://ghcr.io', true],
    ['GHCR.io.', 'https://ghcr.io', true],
    ['corp.internal', 'https://registry.corp.internal', true],
    ['.corp.internal', 'https://registry.corp.internal:5000', true],
    ['*.corp.internal', 'https://registry.corp.internal', true],
    ['corp.internal', 'https://notcorp.internal', false],
    ['ghcr.io:443', 'https://ghcr.io', true],
    ['ghcr.io:8443', 'https://ghcr.io', false],
    ['a.b, ghcr.io  quay.io', 'https://quay.io', true],
    ['10.0.0.0/8', 'https://10.1.2.3:5000', true],
    ['10.0.0.0/8', 'https://11.1.2.3', false],
    ['10.1.2.3', 'https://10.1.2.3', true],
    ['2.3', 'https://10.1.2.3', false],
    ['fd00::/8', 'https://[fd00::1]:5000', true],
    ['fd00::1', 'https://[fd00::1]', true],
    ['[fd00::1]:5000', 'https://[fd00::1]:5000', true],
    ['*', 'https://ghcr.io', true],
    ['10.0.0.0/99,nonsense/8,,:1', 'https://ghcr.io', false],
    ['', 'https://ghcr.io', false],
  ]
  for (const [NO_PROXY, url, direct] of cases) {
    const proxy = proxyOf({ HTTPS_PROXY: 'http://p', NO_PROXY }, url)
    assert.equal(proxy === undefined, direct, `${NO_PROXY}: ${url}`)
  }
})

test('the proxy of an upstream takes the place of those of the environment, and NO_PROXY holds', () => {
  const env = { HTTPS_PROXY: 'http://secure.corp', HTTP_PROXY: 'http://plain.corp', NO_PROXY: '.internal' }
  const own = (url: string) => proxiesFrom(env, 'http://own.corp:3128')(new URL(url))?.href
  assert.equal(own('https://ghcr.io'), 'http://own.corp:3128/')
  assert.equal(own('http://ghcr.io'), 'http://own.corp:3128/')
  assert.equal(own('https://registry.internal'), undefined)
  assert.equal(own('http://127.0.0.1:5000'), undefined)
})

test('SEC-60 a proxy that cannot be is refused at the start, without what the variable holds', () => {
  for (const value of [
    'socks5://u:hunter2@p:1080',
    'http://u:hunter2@p:99999',
    'u:hunter2@',
    'http://u:hunter2%zz@p',
  ]) {
    assert.throws(
      () => proxiesFrom({ HTTPS_PROXY: value }),
      (error: Error) => {
        assert.match(error.message, /^HTTPS_PROXY in the environment is not an http or https URL$/)
        return true
      },
    )
  }
})

const { bytes, digest } = blobOf(100_000)
const tls = selfSignedCertificate('DNS:registry.example')

const noSuchName: LookupFunction = (_, __, callback) =>
  callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), '')

/** A client of `registry.example`, which nobody but the proxy can resolve. */
function through(proxyUrl: string, port: number, options: ConnectOptions = {}, protocol = 'https') {
  return connectTo(`${protocol}://registry.example:${port}`, {
    ca: tls.cert,
    proxyFor: proxiesFrom({ HTTPS_PROXY: proxyUrl, HTTP_PROXY: proxyUrl }),
    lookup: noSuchName,
    ...options,
  })
}

test('SEC-10 an upstream behind a proxy: its certificate is verified, and the proxy sees no request and no credentials', async (t) => {
  await using upstream = await fakeUpstream({
    tls,
    auth: { scheme: 'basic', username: 'ci', password: 'secret' },
  })
  await using proxy = await fakeProxy()
  upstream.addBlob(bytes)
  await t.test('verified', async () => {
    const url = proxy.url.replace('//', '//us%40er:p%3Aw@')
    await using client = through(url, upstream.port, { credentials: login('ci', 'secret') })
    assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
    assert.equal((await client.repository().statBlob(digest))?.size, bytes.length)
    const authorization = `Basic ${Buffer.from('us@er:p:w').toString('base64')}`
    assert.deepEqual(
      new Set(proxy.asked.map(({ target }) => target)),
      new Set([`registry.example:${upstream.port}`]),
    )
    assert.deepEqual(new Set(proxy.asked.map(({ authorization }) => authorization)), new Set([authorization]))
    assert.equal(proxy.others.length, 0)
    for (const { headers } of upstream.requests) assert.equal(headers['proxy-authorization'], undefined)
  })
  await t.test('an unknown authority is refused', async () => {
    await using client = through(proxy.url, upstream.port, { ca: selfSignedCertificate().cert })
    const reason = 'DEPTH_ZERO_SELF_SIGNED_CERT'
    await assertFails(client.repository().blob(digest), 'UPSTREAM_UNAVAILABLE', { reason })
  })
  await t.test('and so is one on the way to a redirect target of an insecure upstream', async () => {
    await using insecure = await fakeUpstream({ tls })
    const Location = `https://cdn.example.com:${upstream.port}/v2/app/blobs/${digest}`
    insecure.on(/blobs/, { status: 307, headers: { Location } })
    await using client = through(proxy.url, insecure.port, { ca: undefined, insecure: true })
    const reason = 'DEPTH_ZERO_SELF_SIGNED_CERT'
    await assertFails(client.repository().blob(digest), 'UPSTREAM_UNAVAILABLE', { reason })
    assert.equal(insecure.requests.length, 1)
  })
})

test('an http upstream goes through the proxy as well', async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await fakeProxy()
  upstream.addBlob(bytes)
  await using client = through(proxy.url, upstream.port, {}, 'http')
  assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
})

test('a proxy that does not do its part is an outage that says so', async (t) => {
  await using upstream = await fakeUpstream({ tls })
  await using proxy = await fakeProxy()
  for (const status of [403, 407, 502]) {
    await t.test(String(status), async () => {
      proxy.refusal = status
      await using client = through(proxy.url, upstream.port)
      await assertFails(client.repository().resolve('v1'), 'UPSTREAM_UNAVAILABLE', {
        reason: `PROXY_${status}`,
      })
    })
  }
  await t.test('F5 silence', async () => {
    proxy.refusal = 'silence'
    await using client = through(proxy.url, upstream.port, { timeouts: { connect: 100 } })
    await assertFails(client.repository().resolve('v1'), 'UPSTREAM_TIMEOUT', { reason: 'PROXY_TIMEOUT' })
  })
  await t.test('SEC-60 nobody there, and its password is not told', async () => {
    await proxy[Symbol.asyncDispose]()
    await using client = through(proxy.url.replace('//', '//u:hunter2@'), upstream.port)
    const error = await failureOf(client.repository().resolve('v1'))
    assert.equal(error.detail['reason'], 'PROXY_ECONNREFUSED')
    assert.doesNotMatch(JSON.stringify([error.message, error.detail, String(error.cause)]), /hunter2/)
  })
  assert.equal(upstream.requests.length, 0)
})

test('SEC-04 a proxy is not asked for addresses of private networks, nor for this machine', async (t) => {
  await using upstream = await fakeUpstream({ tls })
  await using proxy = await fakeProxy()
  const path = `/v2/app/blobs/${digest}`
  for (const host of [
    '169.254.169.254',
    '10.0.0.1',
    '[::ffff:10.0.0.1]',
    'localhost',
    'x.localhost',
    '2852039166',
  ]) {
    await t.test(host, async () => {
      upstream.on(path, { status: 307, headers: { Location: `https://${host}${path}` } })
      await using client = through(proxy.url, upstream.port)
      await assertFails(client.repository().blob(digest), 'UPSTREAM_INVALID', { reason: 'PRIVATE_ADDRESS' })
    })
  }
  assert.ok(proxy.asked.every(({ target }) => target === `registry.example:${upstream.port}`))
})

test('insecure is for the upstream itself and its listed realms, and for no other host', async (t) => {
  await using realm = await fakeUpstream({ tls })
  await using upstream = await fakeUpstream({ tls })
  await using cdn = await fakeUpstream({ tls })
  const path = `/v2/app/blobs/${digest}`
  upstream.addBlob(bytes)
  cdn.addBlob(bytes)
  await t.test('itself', async () => {
    await using client = connectTo(upstream.url, { insecure: true })
    assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
  })
  await t.test('a listed realm', async () => {
    realm.on('/token', { status: 200, body: '{"token":"good"}' })
    const challenge = `Bearer realm="${realm.url}/token"`
    upstream.on(path, { status: 401, headers: { 'WWW-Authenticate': challenge } })
    await using client = connectTo(upstream.url, { insecure: true, tokenRealms: [realm.url] })
    assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
  })
  await t.test('a redirect target', async () => {
    upstream.on(path, { status: 307, headers: { Location: cdn.url + path } })
    await using client = connectTo(upstream.url, { insecure: true })
    const reason = 'DEPTH_ZERO_SELF_SIGNED_CERT'
    await assertFails(client.repository().blob(digest), 'UPSTREAM_UNAVAILABLE', { reason })
    assert.equal(cdn.requests.length, 0)
  })
})
