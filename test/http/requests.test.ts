/** Requests other than the reads of the distribution spec. */
import assert from 'node:assert/strict'
import { METHODS } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { MemoryRegistry } from '../support/memory-registry.ts'
import { call, RawClient } from '../support/raw-client.ts'
import { type RegistryServer, serveRegistry } from '../support/registry-server.ts'

const registry = new MemoryRegistry()
const { bytes, digest } = blobOf(2000)
registry.addBlob(bytes)
const manifest = manifestOf([bytes])
registry.addManifest(manifest, { tag: 'latest' })
const MANIFEST = '/v2/library/app/manifests/latest'
const BLOB = `/v2/library/app/blobs/${digest}`

let server: RegistryServer
before(async () => (server = await serveRegistry(registry)))
after(() => server.close(0))

const codeOf = (body: Buffer): string => JSON.parse(body.toString()).errors[0].code

test('SEC-26: every write method on every path is 405 UNSUPPORTED with Allow', async () => {
  const paths = [
    '/v2/',
    '/v2',
    MANIFEST,
    `/v2/library/app/manifests/${digest}`,
    BLOB,
    '/v2/library/app/blobs/uploads/',
    '/v2/library/app/blobs/uploads/3e9a5e2b?_state=x',
    `/v2/library/app/blobs/uploads/?mount=${digest}&from=other`,
    '/v2/library/app/tags/list',
    `/v2/library/app/referrers/${digest}`,
    '/v2/_catalog',
    '/v2/a//b/../c',
  ]
  // Node closes the connection of a CONNECT, which has no path.
  const methods = METHODS.filter((method) => !['GET', 'HEAD', 'CONNECT'].includes(method))
  assert.ok(methods.length > 25)
  using client = await RawClient.connect(server.port)
  for (const path of paths) {
    for (const method of methods) {
      const { status, headers, body } = await client.request(method, path, ['Content-Length: 0']).response()
      assert.equal(status, 405, `${method} ${path}`)
      assert.equal(headers['allow'], 'GET, HEAD')
      assert.equal(headers['connection'], 'keep-alive')
      assert.equal(codeOf(body), 'UNSUPPORTED')
    }
  }
})

test('SEC-55: a write with a body is answered and its connection closed, even when the body is long', async () => {
  using client = await RawClient.connect(server.port)
  const length = 5 * 1024 * 1024
  client.request('PUT', MANIFEST, [`Content-Length: ${length}`])
  client.socket.write(Buffer.alloc(length))
  const { status, headers, body } = await client.response()
  assert.deepEqual([status, headers['connection'], codeOf(body)], [405, 'close', 'UNSUPPORTED'])
})

test('nobody is invited to send a body', async () => {
  using client = await RawClient.connect(server.port)
  client.request('PUT', MANIFEST, ['Content-Length: 10', 'Expect: 100-continue'])
  assert.equal((await client.response()).status, 405)
  assert.equal((await client.rest()).length, 0)
})

const valid = 'a'.repeat(64)
const HOSTILE = [
  ['/v2//x/manifests/latest', 400],
  ['/v2/x//y/manifests/latest', 400],
  ['//v2/library/app/manifests/latest', 404],
  ['/v2/library/app//manifests/latest', 400],
  ['/v2/library/app/manifests//latest', 404],
  ['/v2/library/app/manifests/latest/', 404],
  ['/v2/library/app/manifests/', 404],
  ['/v2/library/app/manifests', 404],
  ['/v2/a%2fb/manifests/latest', 400],
  ['/v2/a%2Fb/manifests/latest', 400],
  ['/v2/library%2Fapp/manifests/latest', 400],
  ['/v2/library/app%2Fmanifests/latest', 404],
  ['/v2/../v2/library/app/manifests/latest', 400],
  ['/v2/./library/app/manifests/latest', 400],
  ['/v2/library/app/../app/manifests/latest', 400],
  ['/x/../v2/library/app/manifests/latest', 404],
  ['/v2/../../../../etc/passwd', 404],
  ['/v2/a/../../etc/passwd', 404],
  ['/../etc/passwd', 404],
  ['/..%2f..%2fetc/passwd', 404],
  ['/%2e%2e/%2e%2e/etc/passwd', 404],
  ['/v2/%2e%2e/library/app/manifests/latest', 400],
  ['/v2/library/%2e%2e/app/manifests/latest', 400],
  ['/v2/library/app/manifests/..', 404],
  ['/v2/library/app/manifests/%2e%2e', 404],
  ['/v2/library/app/manifests/../../../../etc/passwd', 404],
  ['/v2/library/app/blobs/../../etc/passwd', 404],
  ['/v2/library/app/blobs/sha256:../../etc/passwd', 404],
  ['/v2/library/app/blobs/sha256:..%2f..%2fetc%2fpasswd', 400],
  ['/v2/library/app/blobs/sha256:%2e%2e', 400],
  ['/v2/library/app/blobs/sha256:', 400],
  ['/v2/library/app/blobs/', 404],
  [`/v2/library/app/blobs/sha256:${valid.toUpperCase()}`, 400],
  [`/v2/library/app/blobs/SHA256:${valid}`, 400],
  [`/v2/library/app/blobs/sha256:${valid.slice(1)}`, 400],
  [`/v2/library/app/blobs/sha256:${valid}a`, 400],
  [`/v2/library/app/blobs/sha512:${valid}`, 400],
  [`/v2/library/app/blobs/md5:${'a'.repeat(32)}`, 400],
  [`/v2/library/app/blobs/sha256:${valid}%00`, 400],
  [`/v2/library/app/blobs/sha256%3a${valid}`, 400],
  [`/v2/library/app/blobs/sha256:${valid};x`, 400],
  [`/v2/library/app/blobs/${valid}`, 400],
  ['/v2/library/app/manifests/latest%00', 404],
  ['/v2/library/app/manifests/latest%0d%0aX-Evil:%20yes', 400],
  ['/v2/library/app/manifests/latest;x=y', 404],
  ['/v2/library/app/manifests/latest%3Fns=x', 404],
  ['/v2/library/app/manifests/latest%23', 404],
  ['/v2/library/app/manifests/latest#fragment', 404],
  ['/v2/library/app/manifests/-latest', 404],
  ['/v2/library/app/manifests/%E2%80%AE', 404],
  [`/v2/library/app/manifests/${'a'.repeat(129)}`, 404],
  [`/v2/${'a'.repeat(256)}/manifests/latest`, 400],
  [`/v2/${'a/'.repeat(300)}b/manifests/latest`, 400],
  [`/v2/${'a'.repeat(9000)}/manifests/latest`, 414],
  [`/v2/library/app/manifests/latest?${'x'.repeat(9000)}`, 414],
  ['/v2/Library/app/manifests/latest', 400],
  ['/v2/library/app\\..\\x/manifests/latest', 400],
  ['/v2/\\etc\\passwd', 400],
  ['/v2/library/app%5c..%5c/manifests/latest', 400],
  ['/v2/.hidden/manifests/latest', 400],
  ['/v2/library/app-/manifests/latest', 400],
  ['/v2/library/a___b/manifests/latest', 400],
  ['/v2/library/app/tags/list/', 404],
  ['/v2/library/app/tags/%6cist', 404],
  ['/v2/library/app/referrers/sha256:x', 400],
  ['/v2/_catalog', 404],
  ['/V2/library/app/manifests/latest', 404],
  ['/v2;/library/app/manifests/latest', 404],
  ['/v1/_ping', 404],
  ['/__proto__', 404],
  ['/v2/__proto__/manifests/latest', 400],
  ['*', 400],
  ['http://evil.example/v2/library/app/manifests/latest', 400],
  ['https://localhost/v2/', 400],
] as const

test(`SEC-50, SEC-32: ${HOSTILE.length} hostile paths`, async () => {
  const { opened, stats } = registry
  for (const [path, expected] of HOSTILE) {
    for (const method of ['GET', 'HEAD'] as const) {
      const { status, headers, body } = await call(server.port, method, path)
      assert.equal(status, expected, `${method} ${path.slice(0, 100)} ${body}`)
      assert.equal(headers['content-type'], 'application/json')
      assert.equal(headers['x-evil'], undefined)
      if (method === 'GET') assert.equal(JSON.parse(body.toString()).errors.length, 1)
    }
  }
  assert.deepEqual([registry.opened, registry.stats], [opened, stats], 'the store was asked')
})

test('SEC-50: bytes that are no printable ASCII', async () => {
  for (const path of [
    '/v2/\x00/manifests/latest',
    '/v2/a b/manifests/latest',
    '/v2/\x7f',
    '/v2/caf\xe9/manifests/x',
    '/v2/\t',
  ]) {
    using client = await RawClient.connect(server.port)
    const answer = await client.request('GET', path, ['Connection: close']).rest()
    assert.match(answer.toString(), /^HTTP\/1\.1 400 /, JSON.stringify(path))
  }
})

describe('SEC-52: two parsers never see two requests', () => {
  const get = `GET ${MANIFEST} HTTP/1.1\r\nHost: localhost\r\n`
  const smuggled = `GET ${BLOB} HTTP/1.1\r\nHost: localhost\r\n\r\n`
  const cases = {
    'Content-Length and Transfer-Encoding': `${get}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    'two Content-Lengths': `${get}Content-Length: 0\r\nContent-Length: 5\r\n\r\n${smuggled}`,
    'a list of Content-Lengths': `${get}Content-Length: 0, 5\r\n\r\n${smuggled}`,
    'signed Content-Length': `${get}Content-Length: +5\r\n\r\nabcde${smuggled}`,
    'negative Content-Length': `${get}Content-Length: -1\r\n\r\n${smuggled}`,
    'a GET with a body': `${get}Content-Length: ${smuggled.length}\r\n\r\n${smuggled}${smuggled}`,
    'a chunked GET': `${get}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    'unknown Transfer-Encoding': `${get}Transfer-Encoding: x\r\n\r\n${smuggled}`,
    'chunked, then another': `${get}Transfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n${smuggled}`,
    'Transfer-Encoding with a tab': `${get}Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n${smuggled}`,
    'space before the colon': `${get}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    'folded header': `${get}X-A: b\r\n Content-Length: 5\r\n\r\n${smuggled}`,
    'bare LF': `GET ${MANIFEST} HTTP/1.1\nHost: localhost\n\n${smuggled}`,
    'bare CR': `${get}X-A: b\rContent-Length: 5\r\n\r\n${smuggled}`,
    'two Hosts': `${get}Host: other\r\n\r\n${smuggled}`,
    'no Host': `GET ${MANIFEST} HTTP/1.1\r\n\r\n${smuggled}`,
    'malformed Host': `GET ${MANIFEST} HTTP/1.1\r\nHost: a b\r\n\r\n${smuggled}`,
    'Host with a path': `GET ${MANIFEST} HTTP/1.1\r\nHost: localhost/v2\r\n\r\n${smuggled}`,
    'Host with a user': `GET ${MANIFEST} HTTP/1.1\r\nHost: user@localhost\r\n\r\n${smuggled}`,
    'Host that is no address': `GET ${MANIFEST} HTTP/1.1\r\nHost: 1.2.3.400\r\n\r\n${smuggled}`,
    'absolute form': `GET http://other${MANIFEST} HTTP/1.1\r\nHost: localhost\r\n\r\n${smuggled}`,
    'a TLS handshake': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  }
  for (const [name, bytes] of Object.entries(cases)) {
    test(`${name}: one 400, then the end`, async () => {
      using client = await RawClient.connect(server.port)
      const text = (await client.send(bytes).rest()).toString('latin1')
      assert.match(text, /^HTTP\/1\.1 400 /)
      assert.equal(text.split('HTTP/1.1 ').length, 2, text)
    })
  }

  test('pipelined requests after a cache hit: one answer each, in order', async () => {
    using client = await RawClient.connect(server.port)
    for (const path of [MANIFEST, BLOB, '/v2/', BLOB, MANIFEST]) client.request('GET', path)
    client.request('HEAD', BLOB).request('GET', BLOB, ['Range: bytes=1-2'])
    assert.deepEqual((await client.response()).body, manifest)
    assert.deepEqual((await client.response()).body, bytes)
    assert.equal((await client.response()).body.toString(), '{}')
    assert.deepEqual((await client.response()).body, bytes)
    assert.deepEqual((await client.response()).body, manifest)
    assert.equal((await client.response('HEAD')).headers['content-length'], '2000')
    assert.deepEqual((await client.response()).body, bytes.subarray(1, 3))
  })

  test('SEC-80: a connection that sends hundreds of requests ahead is ended, one that sends sixty is not', async () => {
    const ping = 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n'
    using patient = await RawClient.connect(server.port)
    patient.send(ping.repeat(60))
    for (let i = 0; i < 60; i++) assert.equal((await patient.response()).status, 200)
    using greedy = await RawClient.connect(server.port)
    const text = (await greedy.send(ping.repeat(1000)).rest()).toString('latin1')
    assert.ok(text.split('HTTP/1.1 200 ').length - 1 <= 65)
  })
})

describe('SEC-52: a wish to upgrade is not heard, and nothing that came with it is taken for the next request', () => {
  const next = `GET ${BLOB} HTTP/1.1\r\nHost: localhost\r\n\r\n`
  const wishes = {
    h2c: 'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n',
    websocket: 'Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n',
    'to nothing': 'Upgrade:\r\nConnection: Upgrade\r\n',
    'that Connection does not know of': 'Upgrade: h2c\r\n',
  }
  for (const [name, headers] of Object.entries(wishes)) {
    for (const [method, expected] of [
      ['GET', 200],
      ['HEAD', 200],
      ['PUT', 405],
    ] as const) {
      test(`${name}, ${method}: what came before is answered, then this, then the end`, async () => {
        using client = await RawClient.connect(server.port)
        client.request('GET', '/v2/')
        client.send(`${method} ${MANIFEST} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n${next}`)
        assert.equal((await client.response()).status, 200)
        const answer = await client.response(method)
        assert.deepEqual([answer.status, answer.headers['connection']], [expected, 'close'])
        assert.equal((await client.rest()).length, 0)
      })
    }
  }
})

test('SEC-52: an expectation that nobody knows is not met, and the answer is ours', async () => {
  const { status, body } = await call(server.port, 'PUT', MANIFEST, ['Expect: more', 'Content-Length: 0'])
  assert.deepEqual([status, codeOf(body)], [405, 'UNSUPPORTED'])
  assert.equal((await call(server.port, 'GET', MANIFEST, ['Expect: more'])).status, 200)
})

test('SEC-53: odd header names and many headers', async () => {
  const odd = ['__proto__: x', 'constructor: y', 'toString: z', 'hasOwnProperty: 1']
  assert.equal((await call(server.port, 'GET', MANIFEST, odd)).status, 200)
  const many = (count: number) => Array.from({ length: count }, (_, i) => `x${i}: `)
  assert.equal((await call(server.port, 'GET', MANIFEST, many(1500))).status, 200)
  using client = await RawClient.connect(server.port)
  assert.match((await client.request('GET', MANIFEST, many(4000)).rest()).toString(), /^HTTP\/1\.1 431 /)
})

test('a second Host is found behind two thousand headers', async () => {
  const many = Array.from({ length: 2100 }, (_, i) => `${i.toString(36)}:`)
  assert.equal((await call(server.port, 'GET', MANIFEST, [...many, 'Host: other'])).status, 400)
})

test('HTTP/1.0 without Host, as load balancers ping', async () => {
  using client = await RawClient.connect(server.port)
  assert.match((await client.send('GET /v2/ HTTP/1.0\r\n\r\n').rest()).toString(), /^HTTP\/1\.1 200 OK\r\n/)
})

test('SEC-09, SEC-27: nothing a client says about itself matters', async () => {
  const { status, headers } = await call(server.port, 'GET', MANIFEST, [
    'Authorization: Basic dXNlcjpwYXNzd29yZA==',
    'X-Forwarded-For: 10.0.0.1',
    'X-Forwarded-Host: evil.example',
    'X-HTTP-Method-Override: DELETE',
    'Upgrade: h2c',
    'Connection: Upgrade, HTTP2-Settings',
  ])
  assert.equal(status, 200)
  assert.equal(headers['set-cookie'], undefined)
  assert.doesNotMatch(JSON.stringify(server.lines), /dXNlcjpwYXNzd29yZA/)
})
