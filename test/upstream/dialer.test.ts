import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressClass } from '../../src/upstream/net/address-class.ts'
import { blobOf } from '../support/fixtures.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { assertFails, bytesOf, connectTo, login, loopback } from './setup.ts'

const PRIVATE = `127.0.0.1 127.8.8.8 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 0.0.0.0 100.64.0.1
  224.0.0.1 255.255.255.255 :: ::1 ::ffff:127.0.0.1 ::ffff:a9fe:a9fe fe80::1 fe80::1%eth0 fd00::1 64:ff9b::7f00:1 64:ff9b:1::a00:1 2002:7f00:1::
  2001:0:4136:e378:8000:63bf:3fff:fdd2 ::127.0.0.1 ::ffff:0:127.0.0.1 fec0::1 ff02::1 0:0:0:0:0:ffff:7f00:0001 fd12:3456::1%25eth0`
const PUBLIC = `8.8.8.8 172.32.0.1 172.15.0.1 100.63.0.1 192.167.0.1 2606:4700::1111 2001:4860:4860::8888 ::ffff:8.8.8.8`

test('SEC-04 addresses of private networks are told from public ones, however they are written', () => {
  for (const address of PRIVATE.split(/\s+/)) assert.notEqual(addressClass(address), 'public', address)
  for (const address of PUBLIC.split(/\s+/)) assert.equal(addressClass(address), 'public', address)
})

test('SEC-04 F33 a redirect into a private network is refused when it is dialled', async (t) => {
  await using upstream = await fakeUpstream()
  await using target = await fakeUpstream()
  const { bytes, digest } = blobOf(1000)
  target.addBlob(bytes)
  const path = `/v2/app/blobs/${digest}`
  const { port } = target

  const hosts = {
    'by address': `127.0.0.1:${port}`,
    'by IPv6 address': `[::1]:${port}`,
    'by mapped address': `[::ffff:127.0.0.1]:${port}`,
    'by number': `2130706433:${port}`,
    'by the unspecified address': `0.0.0.0:${port}`,
    'of cloud metadata': '169.254.169.254',
    'by a name that resolves to one': `metadata.example:${port}`,
  }
  for (const [how, host] of Object.entries(hosts)) {
    await t.test(how, async () => {
      await using client = connectTo(`http://registry.example:${upstream.port}`, { lookup: loopback })
      upstream.on(path, { status: 307, headers: { Location: `http://${host}${path}` } })
      await assertFails(client.repository().blob(digest), 'UPSTREAM_INVALID', {
        reason: 'PRIVATE_ADDRESS',
      })
      assert.equal(target.requests.length, 0)
    })
  }
  await t.test('unless allowPrivate says so', async () => {
    const url = `http://registry.example:${upstream.port}`
    await using client = connectTo(url, { lookup: loopback, allowPrivate: true })
    upstream.on(path, { status: 307, headers: { Location: `http://metadata.example:${port}${path}` } })
    assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
  })
})

test('SEC-04 an upstream on a private address may redirect to others, unless allowPrivate is false', async (t) => {
  await using upstream = await fakeUpstream()
  await using target = await fakeUpstream()
  const { bytes, digest } = blobOf(1000)
  target.addBlob(bytes)
  const path = `/v2/app/blobs/${digest}`
  upstream.on(path, { status: 307, headers: { Location: target.url + path }, times: 2 })
  await t.test('left out', async () => {
    await using client = connectTo(upstream.url)
    assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
  })
  await t.test('false', async () => {
    await using client = connectTo(upstream.url, { allowPrivate: false })
    await assertFails(client.repository().blob(digest), 'UPSTREAM_INVALID', { reason: 'PRIVATE_ADDRESS' })
    assert.equal(target.requests.length, 1)
  })
})

test('SEC-04 a token realm of the same domain is not dialled in a private network either', async () => {
  await using upstream = await fakeUpstream()
  const url = `http://registry.example.com:${upstream.port}`
  const challenge = 'Bearer realm="https://auth.example.com/token"'
  upstream.on(/blobs/, { status: 401, headers: { 'WWW-Authenticate': challenge } })
  await using client = connectTo(url, { lookup: loopback, credentials: login('ci', 'secret') })
  const { digest } = blobOf(1000)
  await assertFails(client.repository().blob(digest), 'UPSTREAM_INVALID', { reason: 'PRIVATE_ADDRESS' })
})
