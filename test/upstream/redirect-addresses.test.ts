import assert from 'node:assert/strict'
import type { LookupFunction } from 'node:net'
import { suite, test } from 'node:test'
import { dialPolicy } from '../../src/upstream/net/dial-policy.ts'
import { isSuspiciousName } from '../../src/upstream/net/proxied-names.ts'
import { proxiesFrom } from '../../src/upstream/net/proxy-environment.ts'
import { fakeProxy } from '../support/fake-proxy.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf } from '../support/fixtures.ts'
import { assertFails, bytesOf, connectTo } from './setup.ts'

const { bytes, digest } = blobOf(1000)
const PATH = `/v2/app/blobs/${digest}`

/** Every name has this address. */
const resolvingTo =
  (address: string): LookupFunction =>
  (_, { all }, callback) =>
    all ? callback(null, [{ address, family: 4 }]) : callback(null, address, 4)

suite('SEC-75 where redirects of an upstream may lead', () => {
  const ADDRESSES = {
    loopback: '127.0.0.1',
    private: '10.1.2.3',
    shared: '100.64.0.1',
    linkLocal: '169.254.169.254',
    special: '0.0.0.0',
    public: '8.8.8.8',
  }
  const cases: [url: string, allowPrivate: boolean | undefined, allowed: string][] = [
    ['https://registry.example.com', undefined, 'public'],
    ['https://8.8.4.4', undefined, 'public'],
    ['http://127.0.0.1:5000', undefined, 'loopback public'],
    ['http://localhost:5000', undefined, 'loopback public'],
    ['http://[::1]:5000', undefined, 'loopback public'],
    ['http://10.0.0.5:5000', undefined, 'private public'],
    ['http://[fd00::5]:5000', undefined, 'private public'],
    ['http://100.64.9.9:5000', undefined, 'shared public'],
    ['http://169.254.1.1', undefined, 'public'],
    ['http://10.0.0.5:5000', false, 'public'],
    ['https://registry.example.com', true, 'loopback private shared special public'],
    ['http://169.254.1.1', true, 'loopback private shared special public'],
  ]
  for (const [url, allowPrivate, allowed] of cases) {
    test(`SEC-75 ${url}, allowPrivate ${allowPrivate}: ${allowed}`, () => {
      const { allows } = dialPolicy({ url: new URL(url), allowPrivate, ownPorts: () => [] })
      const found = Object.entries(ADDRESSES).filter(([, address]) => allows(address))
      assert.deepEqual(
        found.map(([name]) => name),
        allowed.split(' '),
      )
    })
  }

  test('SEC-75 an upstream on loopback is followed to its neighbours there, but never to our own listeners', async () => {
    await using upstream = await fakeUpstream()
    await using storage = await fakeUpstream()
    await using ours = await fakeUpstream()
    storage.addBlob(bytes)
    ours.addBlob(bytes)
    await using client = connectTo(upstream.url, { ownPorts: () => [ours.port] })
    for (const host of ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]']) {
      upstream.on(PATH, { status: 307, headers: { Location: `http://${host}:${ours.port}${PATH}` } })
      await assertFails(client.repository().blob(digest), 'UPSTREAM_INVALID', { reason: 'PRIVATE_ADDRESS' })
    }
    assert.equal(ours.requests.length, 0)
    upstream.on(PATH, { status: 307, headers: { Location: storage.url + PATH } })
    assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
  })

  test('SEC-75 not to our own listeners with allowPrivate either, and not by a name', async () => {
    await using upstream = await fakeUpstream()
    await using ours = await fakeUpstream()
    await using client = connectTo(`http://registry.example.com:${upstream.port}`, {
      allowPrivate: true,
      ownPorts: () => [ours.port],
      lookup: resolvingTo('127.0.0.1'),
    })
    upstream.on(PATH, { status: 307, headers: { Location: `http://cdn.example.com:${ours.port}${PATH}` } })
    await assertFails(client.repository().blob(digest), 'UPSTREAM_INVALID', { reason: 'PRIVATE_ADDRESS' })
    assert.equal(ours.requests.length, 0)
  })
})

suite('SEC-93 names that only a proxy resolves', () => {
  test('SEC-93 which of them may stand for a machine on its network', () => {
    const suspicious = `localhost localhost.localdomain localhost.example.com metadata metadata.google.internal
      metadata.goog instance-data.ec2.internal kubernetes.default.svc db printer.local host.docker.internal nas.lan
      169.254.169.254.nip.io 169-254-169-254.sslip.io a9fea9fe.nip.io 10.0.0.1.example.com x-192-168-1-1.example.com
      lvh.me app.localtest.me METADATA.GOOG. registry.corp`
    for (const name of suspicious.split(/\s+/)) assert.equal(isSuspiciousName(name), true, name)
    const fine = `registry-1.docker.io production.cloudflare.docker.com ghcr.io pkg-containers.githubusercontent.com
      prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com storage.googleapis.com cdn01.quay.io
      d2glxqk2uabbnd.cloudfront.net ec2-8-8-8-8.eu-west-1.compute.amazonaws.com blob.core.windows.net example.com.`
    for (const name of fine.split(/\s+/)) assert.equal(isSuspiciousName(name), false, name)
  })

  const cases: [what: string, host: string, address: string | undefined, refused: boolean][] = [
    ['a name of the proxy network', 'metadata.google.internal', undefined, true],
    ['a wildcard', '10.0.0.1.nip.io', undefined, true],
    ['a public name that is private here', 'cdn.example.com', '10.0.0.1', true],
    ['a public name', 'cdn.example.com', '8.8.8.8', false],
    ['a public name that does not resolve here', 'cdn.example.com', undefined, false],
  ]
  for (const [what, host, address, refused] of cases) {
    test(`SEC-93 a redirect through a proxy to ${what}`, async () => {
      await using upstream = await fakeUpstream()
      await using storage = await fakeUpstream()
      await using proxy = await fakeProxy()
      storage.addBlob(bytes)
      await using client = connectTo(`http://registry.example.com:${upstream.port}`, {
        proxyFor: proxiesFrom({ HTTP_PROXY: proxy.url }),
        lookup:
          address === undefined
            ? (_, __, callback) => callback(Object.assign(new Error('none'), { code: 'ENOTFOUND' }), '')
            : resolvingTo(address),
      })
      upstream.on(PATH, { status: 307, headers: { Location: `http://${host}:${storage.port}${PATH}` } })
      const pulled = client.repository().blob(digest)
      if (refused) {
        await assertFails(pulled, 'UPSTREAM_INVALID', { reason: 'PRIVATE_ADDRESS' })
        assert.ok(!proxy.asked.some(({ target }) => target.startsWith(host)))
      } else assert.deepEqual(await bytesOf(await pulled), bytes)
    })
  }

  test('SEC-93 a name server that is silent does not hold the request', async () => {
    await using upstream = await fakeUpstream()
    await using storage = await fakeUpstream()
    await using proxy = await fakeProxy()
    storage.addBlob(bytes)
    await using client = connectTo(`http://registry.example.com:${upstream.port}`, {
      proxyFor: proxiesFrom({ HTTP_PROXY: proxy.url }),
      lookup: () => {},
    })
    upstream.on(PATH, { status: 307, headers: { Location: `http://cdn.example.com:${storage.port}${PATH}` } })
    assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
  })

  test('SEC-93 unless allowPrivate says so', async () => {
    await using upstream = await fakeUpstream()
    await using storage = await fakeUpstream()
    await using proxy = await fakeProxy()
    storage.addBlob(bytes)
    await using client = connectTo(`http://registry.corp:${upstream.port}`, {
      proxyFor: proxiesFrom({ HTTP_PROXY: proxy.url }),
      allowPrivate: true,
    })
    upstream.on(PATH, { status: 307, headers: { Location: `http://storage.corp:${storage.port}${PATH}` } })
    assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
  })
})
