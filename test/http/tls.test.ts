/** The HTTP server over TLS: changing certificates, client certificates, refused handshakes. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:https'
import { mock, suite, test } from 'node:test'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { listen, type HttpServerHandle } from '../../src/http/server/http-server.ts'
import type { Tls } from '../../src/http/server/tls.ts'
import { certificateName } from '../../src/http/server/tls.ts'
import { authority } from '../support/certificates.ts'
import { eventually } from '../support/fixtures.ts'

const ca = authority()
const server = ca.server()

interface TlsServer extends HttpServerHandle, AsyncDisposable {}

/** Answers with the name in the client certificate. */
async function serve(tls: Tls): Promise<TlsServer> {
  const listening = await listen(
    (incoming, outgoing) => void outgoing.end(String(certificateName(incoming))),
    {
      host: '127.0.0.1',
      port: 0,
      tls,
    },
  )
  return { ...listening, [Symbol.asyncDispose]: () => listening.close(0) }
}

async function ask(url: string, options: ConnectionOptions = {}): Promise<string> {
  const request = get(url, { ca: ca.cert, agent: false, ...options })
  const [response] = await once(request, 'response')
  return (await response.toArray()).join('')
}

async function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', ca: ca.cert, ...options })
  await once(socket, 'secureConnect')
  return socket
}

suite('client certificates', () => {
  test('are the client’s name: the common name, else the first alternative one', async () => {
    await using listening = await serve({ ...server, clientCa: ca.cert })
    const cases = {
      '/CN=ci-7': 'ci-7',
      '/O=Example/OU=CI/CN=ci-7': 'ci-7',
      '/O=Example': 'undefined',
      '/CN=two/CN=names': 'undefined',
      '/CN=white space': 'undefined',
      '/CN=caf\u00e9': 'undefined',
    }
    for (const [subject, name] of Object.entries(cases)) {
      assert.equal(await ask(listening.url, ca.client(subject)), name, subject)
    }
    const alternatives = {
      'URI:spiffe://example.org/ci': 'spiffe://example.org/ci',
      'DNS:ci.example.org,DNS:other.example.org': 'ci.example.org',
      'email:ci@example.org': 'ci@example.org',
      'IP:10.0.0.1,DNS:ci.example.org': 'undefined',
    }
    for (const [value, name] of Object.entries(alternatives)) {
      assert.equal(await ask(listening.url, ca.client('/O=Example', `subjectAltName=${value}`)), name, value)
    }
  })

  test('of nobody we trust, or none, do not get past the handshake where one is required', async () => {
    await using listening = await serve({ ...server, clientCa: ca.cert })
    await assert.rejects(ask(listening.url))
    await assert.rejects(ask(listening.url, authority().client('/CN=ci-7')))
    await assert.rejects(ask(listening.url, authority('Entrepot test').client('/CN=ci-7')))
    assert.equal(await ask(listening.url, ca.client('/CN=ci-7')), 'ci-7')
  })

  test('of nobody we trust, or none, are nobody’s where they are optional', async () => {
    await using listening = await serve({ ...server, clientCa: ca.cert, clientAuth: 'optional' })
    assert.equal(await ask(listening.url), 'undefined')
    assert.equal(await ask(listening.url, authority().client('/CN=ci-7')), 'undefined')
    assert.equal(await ask(listening.url, ca.client('/CN=ci-7')), 'ci-7')
  })

  test('SEC-90: sessions are not resumed: each connection shows a certificate that is valid now', async () => {
    await using listening = await serve({ ...server, clientCa: ca.cert })
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const versions = { minVersion: version, maxVersion: version } as const
      const sessions: Buffer[] = []
      const first = await handshake(listening.port, { ...ca.client('/CN=ci-7'), ...versions })
      first.on('session', (session) => sessions.push(session))
      const own = first.getSession()
      if (own !== undefined) sessions.push(own)
      first.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await once(first, 'data')
      first.destroy()
      assert.ok(sessions.length > 0)
      for (const session of sessions)
        await assert.rejects(ask(listening.url, { session, ...versions }), version)
    }
  })

  test('SEC-90: a connection ends when the certificate that was shown expires', async () => {
    await using listening = await serve({ ...server, clientCa: ca.cert })
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() })
    try {
      const socket = await handshake(listening.port, ca.client('/CN=ci-7'))
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await once(socket, 'data')
      mock.timers.tick(24 * 3_600_000)
      assert.equal(socket.destroyed, false)
      mock.timers.tick(25 * 3_600_000)
      await once(socket, 'close')
    } finally {
      mock.timers.reset()
    }
  })

  test('SEC-90: connections end when the authorities change: idle ones at once, others after their answer', async () => {
    const gate = Promise.withResolvers<void>()
    const listening = await listen(
      async (incoming, outgoing) => {
        outgoing.write('begun ')
        if (incoming.url === '/slow') await gate.promise
        outgoing.end('ended')
      },
      { host: '127.0.0.1', port: 0, tls: { ...server, clientCa: ca.cert } },
    )
    const [silent, idle, busy] = await Promise.all(
      [1, 2, 3].map(() => handshake(listening.port, ca.client('/CN=ci-7'))),
    )
    idle!.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    busy!.write('GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
    let said = ''
    busy!.on('data', (chunk) => (said += chunk))
    await Promise.all([once(idle!, 'data'), eventually(() => said.includes('begun'))])
    const gone = Promise.all([silent!, idle!].map((socket) => once(socket.resume(), 'close')))
    listening.setTls({ ...ca.server(), clientCa: ca.cert })
    assert.equal(idle!.destroyed, false, 'a new certificate of the server changes nothing')
    const other = authority('Another')
    listening.setTls({ ...server, clientCa: other.cert })
    await gone
    const over = once(busy!, 'close')
    gate.resolve()
    await over
    assert.match(said, /begun[^]*ended/)
    await assert.rejects(ask(listening.url, ca.client('/CN=ci-7')))
    assert.match(await ask(listening.url, other.client('/CN=ci-8')), /ended/)
    await listening.close(0)
  })
})

test('a new certificate is for new connections; one that does not fit its key changes nothing', async () => {
  await using listening = await serve(server)
  const serial = async () => {
    const socket = await handshake(listening.port)
    const { serialNumber } = socket.getPeerCertificate()
    socket.destroy()
    return serialNumber
  }
  const old = await serial()
  const running = await handshake(listening.port)
  const next = ca.server()
  assert.throws(() => listening.setTls({ cert: next.cert, key: server.key }))
  assert.throws(() => listening.setTls({ cert: 'half a fi', key: next.key }))
  assert.equal(await serial(), old)
  listening.setTls(next)
  assert.notEqual(await serial(), old)
  running.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const [answer] = await once(running, 'data')
  assert.match(String(answer), /^HTTP\/1\.1 200 /)
  running.destroy()
})

test('TLS 1.1 and older are refused, 1.2 and 1.3 are not', async () => {
  await using listening = await serve(server)
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const
  await assert.rejects(handshake(listening.port, old))
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = await handshake(listening.port, { minVersion: version, maxVersion: version })
    assert.equal(socket.getProtocol(), version)
    socket.destroy()
  }
})

test('a client that wants new keys in a running connection does not get them', async () => {
  await using listening = await serve(server)
  const client = spawn('openssl', ['s_client', '-tls1_2', '-connect', `127.0.0.1:${listening.port}`], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [client.stdout, client.stderr]) stream.on('data', (text) => (said += text))
  const over = once(client, 'close')
  await eventually(() => said.includes('Extended master secret'))
  client.stdin.write('R\n')
  await over
  assert.match(said, /RENEGOTIATING[^]*no renegotiation/)
})

test('who says nothing after connecting is closed in the time that headers have', async () => {
  const listening = await listen(() => {}, {
    host: '127.0.0.1',
    port: 0,
    tls: server,
    timeouts: { headers: 100 },
  })
  const socket = connect({ port: listening.port, host: '127.0.0.1', ca: ca.cert })
  await once(socket, 'secureConnect')
  await once(socket.resume(), 'close')
  await listening.close(0)
})
