/** The HTTP server: connection limits and shutdown. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get } from 'node:https'
import { connect } from 'node:net'
import { test } from 'node:test'
import { listen } from '../../src/http/server/http-server.ts'
import { eventually, selfSignedCertificate } from '../support/fixtures.ts'
import { MemoryRegistry } from '../support/memory-registry.ts'
import { RawClient } from '../support/raw-client.ts'
import { serveRegistry } from '../support/registry-server.ts'

/** A registry that resolves its only tag after `open`. */
function gated(): { registry: MemoryRegistry; asked: () => number; open: () => void } {
  const registry = new MemoryRegistry()
  registry.addManifest(Buffer.from('{}'), { tag: 'latest' })
  const { tags } = registry.find({ name: 'library/app' })!
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  let asked = 0
  registry.overrides = {
    tags: { list: tags.list, resolve: async (tag) => (asked++, await gate, tags.resolve(tag)) },
  }
  return { registry, asked: () => asked, open }
}

const MANIFEST = '/v2/library/app/manifests/latest'

async function isRefused(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return false
  } catch {
    return true
  } finally {
    socket.destroy()
  }
}

test('F54: connections are kept longer than BuildKit keeps its own', async () => {
  await using server = await serveRegistry(new MemoryRegistry())
  using client = await RawClient.connect(server.port)
  const { headers } = await client.request('GET', '/v2/').response()
  assert.deepEqual([headers['connection'], headers['keep-alive']], ['keep-alive', 'timeout=125'])
})

test('an idle connection is closed after its time', async () => {
  await using server = await serveRegistry(new MemoryRegistry(), { timeouts: { keepAlive: 50 } })
  using client = await RawClient.connect(server.port)
  await client.request('GET', '/v2/').response()
  assert.equal((await client.rest()).length, 0)
})

test('F80, F54: closing lets answers finish, says close, and takes nothing new', async () => {
  const { registry, asked, open } = gated()
  await using server = await serveRegistry(registry)
  using idle = await RawClient.connect(server.port)
  await idle.request('GET', '/v2/').response()
  using busy = await RawClient.connect(server.port)
  busy.request('GET', MANIFEST)
  await eventually(() => asked() === 1)

  let isClosed = false
  const closed = server.close(60_000).then(() => (isClosed = true))
  assert.equal((await idle.rest()).length, 0)
  assert.equal(await isRefused(server.port), true)
  assert.equal(isClosed, false)
  open()
  const { status, headers } = await busy.response()
  assert.deepEqual([status, headers['connection']], [200, 'close'])
  await closed
})

test('an answer that had begun before closing ends, and its connection with it', async () => {
  const registry = new MemoryRegistry()
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  registry.overrides = {
    blobs: {
      stat: async () => undefined,
      open: async (digest) =>
        registry.reader(digest, 2, async (buffer, position) => {
          if (position === 1) await gate
          buffer[0] = 65
          return 1
        }),
    },
  }
  await using server = await serveRegistry(registry)
  using client = await RawClient.connect(server.port)
  client.request('GET', `/v2/library/app/blobs/sha256:${'0'.repeat(64)}`)
  await client.received(1)
  const closed = server.close(60_000)
  open()
  const { headers, body } = await client.response()
  assert.deepEqual([headers['connection'], body.toString()], ['keep-alive', 'AA'])
  assert.equal((await client.rest()).length, 0)
  await closed
})

test('what is not done within the grace is destroyed', async () => {
  const { registry, asked } = gated()
  await using server = await serveRegistry(registry)
  using client = await RawClient.connect(server.port)
  client.request('GET', MANIFEST)
  await eventually(() => asked() === 1)
  await server.close(50)
  assert.equal((await client.rest()).length, 0)
})

test('SEC-56: slow headers are cut off, the others are served meanwhile', async () => {
  await using server = await serveRegistry(new MemoryRegistry(), { timeouts: { headers: 500, request: 500 } })
  const slow = await Promise.all(
    Array.from({ length: 1000 }, async () =>
      (await RawClient.connect(server.port)).send('GET /v2/ HTTP/1.1\r\nX-A: '),
    ),
  )
  using stop = new DisposableStack()
  const drip = setInterval(() => slow.forEach((client) => client.send('a')), 100)
  stop.defer(() => clearInterval(drip))
  using client = await RawClient.connect(server.port)
  assert.equal((await client.request('GET', '/v2/').response()).status, 200)
  const answers = await Promise.all(slow.map(async (one) => (await one.rest()).toString()))
  // What a client sends after its connection was closed resets it, and takes the answer away.
  for (const answer of answers) assert.match(answer, /^(?:$|HTTP\/1\.1 408 )/)
  assert.ok(answers.some((answer) => answer !== ''))
})

test('SEC-56: a connection on which nothing is sent is closed', async () => {
  await using server = await serveRegistry(new MemoryRegistry(), { timeouts: { headers: 100, request: 100 } })
  using client = await RawClient.connect(server.port)
  assert.match((await client.rest()).toString(), /^(?:$|HTTP\/1\.1 408 )/)
})

test('HTTPS', async () => {
  const tls = selfSignedCertificate()
  const listening = await listen((_incoming, outgoing) => void outgoing.end('over TLS'), {
    host: '127.0.0.1',
    port: 0,
    tls,
  })
  assert.equal(listening.url, `https://127.0.0.1:${listening.port}`)
  const request = get(listening.url, { ca: tls.cert, agent: false })
  const [response] = await once(request, 'response')
  assert.equal((await response.toArray()).join(''), 'over TLS')
  await listening.close(0)
})

test('an address that is taken', async () => {
  await using server = await serveRegistry(new MemoryRegistry())
  await assert.rejects(
    listen(() => {}, { host: '127.0.0.1', port: server.port }),
    { code: 'EADDRINUSE' },
  )
})
