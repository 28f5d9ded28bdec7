import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { suite, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { proxiesFrom } from '../../src/upstream/net/proxy-environment.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { eventually, manifestOf } from '../support/fixtures.ts'
import { connectTo, failureOf } from './setup.ts'

interface Speaker extends AsyncDisposable {
  readonly url: string
  readonly connections: number
}

/** A server on a bare socket. */
async function speaker(speak: (socket: Socket) => void): Promise<Speaker> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => {}).once('close', () => sockets.delete(socket))
    speak(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

const body = manifestOf([]).toString()
const ANSWER = `HTTP/1.1 200 OK\r\nContent-Type: ${OCI_MANIFEST}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
const HTML = '<html>log in</html>\n'
const OK = 'HTTP/1.1 200 OK\r\n\r\n'

/** A proxy that answers CONNECT with these bytes and is silent afterwards. */
const proxySaying = (bytes: string) => speaker((socket) => socket.once('data', () => socket.write(bytes)))

const through = (proxy: Speaker, url = 'http://registry.example.com') =>
  connectTo(url, {
    timeouts: { connect: 500, headers: 1_000 },
    proxyFor: proxiesFrom({ HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url }),
  })

suite('SEC-89 bytes that nobody asked for', () => {
  const proxies: [what: string, bytes: string, reason: string][] = [
    ['an answer', OK + ANSWER, 'PROXY_UNASKED_BYTES'],
    ['one byte', `${OK}x`, 'PROXY_UNASKED_BYTES'],
    ['half a line', `${OK}HTTP/1.`, 'PROXY_UNASKED_BYTES'],
    [
      'HTML',
      `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ${HTML.length}\r\n\r\n${HTML}`,
      'PROXY_UNASKED_BYTES',
    ],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', 'PROXY_MALFORMED'],
    ['an endless head', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}`, 'PROXY_MALFORMED'],
    ['a change of protocols', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', 'PROXY_MALFORMED'],
  ]
  for (const [what, bytes, reason] of proxies) {
    test(`SEC-89 of a proxy that accepts: ${what}`, async () => {
      await using proxy = await proxySaying(bytes)
      await using client = through(proxy)
      const error = await failureOf(client.repository().resolve('v1'))
      assert.equal(error.detail['reason'], reason)
      assert.ok(proxy.connections < 10, `${proxy.connections} connections`)
      // Nothing goes on when the caller has its answer.
      const { connections } = proxy
      await assert.rejects(eventually(() => proxy.connections > connections, 300))
    })
  }

  const upstreams: [what: string, speak: (socket: Socket) => void][] = [
    ['an answer as it accepts', (socket) => socket.write(ANSWER)],
    ['HTML as it accepts', (socket) => socket.write(HTML)],
    ['two answers', (socket) => socket.on('data', () => socket.write(ANSWER + ANSWER))],
    ['the end of each connection', (socket) => socket.end()],
    ['a reset of each connection', (socket) => socket.resetAndDestroy()],
    [
      'another protocol',
      (socket) => socket.on('data', () => socket.write('HTTP/1.1 101 Upgraded\r\nUpgrade: x\r\n\r\n')),
    ],
    [
      'informational responses without end',
      (socket) =>
        socket.on('data', () => {
          const timer = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'), 5)
          socket.once('close', () => clearInterval(timer))
        }),
    ],
  ]
  for (const [what, speak] of upstreams) {
    test(`SEC-89 of an upstream: ${what}`, async () => {
      await using upstream = await speaker(speak)
      await using client = connectTo(upstream.url, { timeouts: { connect: 500, headers: 1_000 } })
      for (let i = 0; i < 3; i++) {
        const began = performance.now()
        await client
          .repository(`r${i}`)
          .tags.whole()
          .then(
            () => {},
            () => {},
          )
        assert.ok(performance.now() - began < 1_500, 'it ends at its deadline')
      }
      assert.ok(upstream.connections < 40, `${upstream.connections} connections`)
    })
  }
})

test('SEC-96 informational responses before the 200 of a proxy are passed over', async () => {
  await using upstream = await fakeUpstream()
  upstream.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
  await using proxy = await speaker((socket) =>
    socket.once('data', () => {
      const target = connect(upstream.port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 10')
        socket.write('3 Early Hints\r\nX: y\r\n\r\n')
        socket.write(OK)
        socket.pipe(target).pipe(socket)
      })
      target.on('error', () => {})
      socket.once('close', () => target.destroy())
    }),
  )
  await using client = through(proxy)
  assert.ok(await client.repository().resolve('v1'))
})
