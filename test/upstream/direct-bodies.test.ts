import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { suite, test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { DirectSocket } from '../../src/upstream/net/direct-socket.ts'
import { HttpSide, READ } from '../../src/upstream/net/http-side.ts'
import { usesOf } from '../../src/util/shared-piece.ts'
import { type FakeUpstream, fakeUpstream, type Script } from '../support/fake-upstream.ts'
import { blobOf, eventually, selfSignedCertificate } from '../support/fixtures.ts'
import { relay } from '../support/relay.ts'
import { assertFails, bytesOf, connectTo, failureOf } from './setup.ts'

const SIZE = 3_000_000
const { bytes, digest } = blobOf(SIZE)
const small = blobOf(20_000, 2)
const PATH = `/v2/app/blobs/${digest}`
const tls = selfSignedCertificate()

async function withBlobs(options = {}): Promise<FakeUpstream> {
  const upstream = await fakeUpstream(options)
  upstream.addBlob(bytes)
  upstream.addBlob(small.bytes)
  return upstream
}

/** The connections that requests for blobs came over. */
const connectionsOf = (upstream: FakeUpstream) =>
  new Set(upstream.requests.map(({ connection }) => connection)).size

for (const [protocol, options] of [
  ['http', {}],
  ['https', { tls }],
] as const) {
  suite(`long bodies over ${protocol}`, () => {
    test('they are whole, counted, and leave their connection for the next ones, long and short', async () => {
      await using upstream = await withBlobs(options)
      await using client = connectTo(upstream.url, { ca: tls.cert })
      const repository = client.repository()
      for (let i = 0; i < 3; i++) {
        const blob = await repository.blob(digest)
        assert.partialDeepStrictEqual(blob, { start: 0, total: SIZE, etag: `"${digest}"`, ranges: true })
        assert.deepEqual(await bytesOf(blob), bytes)
        const part = await repository.blob(digest, { start: 1_000_000 })
        assert.partialDeepStrictEqual(part, { start: 1_000_000, total: SIZE })
        assert.deepEqual(await bytesOf(part), bytes.subarray(1_000_000))
        assert.deepEqual(await bytesOf(await repository.blob(small.digest)), small.bytes)
      }
      assert.equal(client.received(), 3 * (SIZE + 2_000_000 + 20_000))
      assert.ok(connectionsOf(upstream) <= 2, `${connectionsOf(upstream)} connections`)
    })

    test('their memory is used again, but for the last two chunks', async () => {
      await using upstream = await withBlobs(options)
      await using client = connectTo(upstream.url, { ca: tls.cert })
      const blob = await client.repository().blob(digest)
      assert.ok(blob?.reused)
      const last: { readonly chunk: Buffer; readonly copy: Buffer }[] = []
      const memory = new Set<ArrayBufferLike>()
      let got = 0
      for await (const chunk of blob.reused) {
        assert.ok(chunk.equals(bytes.subarray(got, got + chunk.length)), `at ${got}`)
        got += chunk.length
        memory.add(chunk.buffer)
        last.push({ chunk, copy: Buffer.from(chunk) })
        if (last.length > 2) last.shift()
        // Others arrive meanwhile.
        if (got % 7 === 0) await sleep(1)
        for (const { chunk, copy } of last) assert.ok(chunk.equals(copy), `overwritten at ${got}`)
      }
      assert.equal(got, SIZE)
      assert.ok([...memory].reduce((sum, { byteLength }) => sum + byteLength, 0) <= 2_500_000)
    })

    test('one that nobody reads stops its sender, and is whole when it is read after all', async () => {
      const large = blobOf(110_000_000, 3)
      await using upstream = await fakeUpstream(options)
      await using client = connectTo(upstream.url, { ca: tls.cert, timeouts: { idle: 150 } })
      upstream.addBlob(large.bytes)
      const blob = await client.repository().blob(large.digest)
      const chunks = blob!.reused![Symbol.asyncIterator]()
      const first = await chunks.next()
      let got = (first.value as Buffer).length
      let shared = 0
      // Longer than upstream may be silent: it is we who do not read.
      await sleep(400)
      for (let step; !(step = await chunks.next()).done;) {
        const chunk = step.value as Buffer
        assert.ok(chunk.equals(large.bytes.subarray(got, got + chunk.length)))
        got += chunk.length
        if (usesOf(chunk) !== undefined) shared += chunk.length
      }
      assert.equal(got, large.bytes.length)
      assert.ok(shared > got / 2, `${shared} bytes in shared memory`)
    })

    const faults: [what: string, script: Script, code: 'UPSTREAM_UNAVAILABLE' | 'UPSTREAM_TIMEOUT'][] = [
      ['F20 a stall', { atByte: { k: 1_500_000, then: 'stall' } }, 'UPSTREAM_TIMEOUT'],
      ['F21 a reset', { atByte: { k: 1_500_000, then: 'reset' } }, 'UPSTREAM_UNAVAILABLE'],
      [
        'F22 an end short of Content-Length',
        { atByte: { k: 1_500_000, then: 'finish' } },
        'UPSTREAM_UNAVAILABLE',
      ],
      [
        'F23 an end short, chunked',
        { contentLength: 'chunked', atByte: { k: 1_500_000, then: 'finish' } },
        'UPSTREAM_UNAVAILABLE',
      ],
    ]
    for (const [what, script, code] of faults) {
      // A reset over TLS is one of the connection below, which the fake cannot send.
      if (protocol === 'https' && script.atByte?.then === 'reset') continue
      test(`${what} in a long body throws, after what came before it`, async () => {
        await using upstream = await withBlobs(options)
        await using client = connectTo(upstream.url, { ca: tls.cert, timeouts: { idle: 300 } })
        upstream.on(PATH, script)
        const blob = await client.repository().blob(digest)
        let got = 0
        const error = await failureOf(
          (async () => {
            for await (const chunk of blob!.reused ?? blob!) {
              assert.ok(chunk.equals(bytes.subarray(got, got + chunk.length)))
              got += chunk.length
            }
          })(),
        )
        assert.equal(error.code, code, String(error.detail['reason']))
        assert.equal(error.detail['upstream'], 'up')
        if (script.atByte?.then === 'reset') assert.ok(got <= 1_500_000)
        else assert.equal(got, 1_500_000)
        await eventually(() => upstream.connections === 0)
        assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
      })
    }

    test('leaving the loop closes the connection; so does the caller’s signal, with its own reason', async () => {
      await using upstream = await withBlobs(options)
      await using client = connectTo(upstream.url, { ca: tls.cert })
      upstream.on(PATH, { atByte: { k: 500_000, then: 'stall' }, times: 3 })
      for await (const chunk of (await client.repository().blob(digest))!.reused!) {
        assert.ok(chunk.length > 0)
        break
      }
      await eventually(() => upstream.connections === 0)
      const abort = new AbortController()
      const reason = new Error('the client left')
      const work = client.repository().blob(digest, undefined, abort.signal).then(bytesOf)
      await eventually(() => client.received() >= 500_000)
      abort.abort(reason)
      await assert.rejects(work, (error) => error === reason)
      await eventually(() => upstream.connections === 0)
      const unread = await client.repository().blob(digest)
      await unread![Symbol.asyncIterator]().return?.()
      await eventually(() => upstream.connections === 0)
    })

    test('the end of the client ends them, and the connections it kept', async () => {
      await using upstream = await withBlobs(options)
      const client = connectTo(upstream.url, { ca: tls.cert })
      await bytesOf(await client.repository().blob(digest))
      upstream.on(PATH, { atByte: { k: 500_000, then: 'stall' } })
      const reading = failureOf(client.repository().blob(digest).then(bytesOf))
      await eventually(() => client.received() === SIZE + 500_000)
      await client[Symbol.asyncDispose]()
      assert.equal((await reading).code, 'UPSTREAM_UNAVAILABLE')
      await eventually(() => upstream.connections === 0)
    })
  })
}

test('FR-38 a kept connection that has died unnoticed is given up, with a long body too', async () => {
  await using upstream = await withBlobs()
  await using link = await relay(upstream.port)
  await using client = connectTo(link.url, { timeouts: { headers: 2_000 } })
  const repository = client.repository()
  await bytesOf(await repository.blob(digest))
  link.freeze()
  assert.deepEqual(await bytesOf(await repository.blob(digest)), bytes)
  const { connections } = link
  assert.deepEqual(await bytesOf(await repository.blob(digest)), bytes)
  assert.ok(link.connections <= connections + 1)
})

test('a kept connection that upstream has closed is not used again', async () => {
  await using upstream = await withBlobs()
  await using client = connectTo(upstream.url)
  await bytesOf(await client.repository().blob(digest))
  await upstream.stop()
  await upstream.start()
  assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
  assert.equal(upstream.requests.length, 2)
})

test('one that is reset when it is taken is nobody’s crash', async () => {
  await using upstream = await withBlobs()
  await using client = connectTo(upstream.url)
  await bytesOf(await client.repository().blob(digest))
  // The reset is seen before the next turn, in which the request would be sent.
  await turn()
  const stopped = upstream.stop()
  const asked = failureOf(client.repository().blob(digest))
  await stopped
  assert.equal((await asked).code, 'UPSTREAM_UNAVAILABLE')
  await upstream.start()
  assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
})

test('a connection that breaks before undici has it is nobody’s crash', async () => {
  const socket = new DirectSocket()
  const side = new HttpSide({
    socket,
    scratch: Buffer.alloc(READ),
    pieces: undefined,
    isReused: true,
    keep: () => {},
  })
  side.lost(new Error('reset'))
  await eventually(() => side.closed)
  assert.equal(side.errored?.message, 'reset')
})

test('a connection that upstream wants closed, or keeps for a moment only, is not kept', async () => {
  for (const headers of [{ Connection: 'close' }, { 'Keep-Alive': 'timeout=2' }]) {
    await using upstream = await withBlobs()
    await using client = connectTo(upstream.url)
    upstream.on(PATH, { headers })
    await bytesOf(await client.repository().blob(digest))
    await eventually(() => upstream.connections === 0)
  }
})

test('F24 what follows Content-Length is not read as content, nor as the next answer', async () => {
  await using upstream = await withBlobs()
  await using client = connectTo(upstream.url)
  upstream.on(PATH, { contentLength: 400_000 })
  const blob = await client.repository().blob(digest)
  assert.deepEqual(await bytesOf(blob), bytes.subarray(0, 400_000))
  assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
})

test('SEC-89 over TLS, what follows Content-Length on a connection that is closed holds nobody', async () => {
  const server = createTlsServer(tls, (socket) => {
    socket
      .on('error', () => {})
      .once('data', () => {
        const head = `HTTP/1.1 200 OK\r\nContent-Length: ${SIZE}\r\nConnection: close\r\n\r\n`
        socket.write(Buffer.concat([Buffer.from(head), bytes, Buffer.from('more')]))
      })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await using client = connectTo(`https://127.0.0.1:${port}`, { ca: tls.cert })
  assert.deepEqual(await bytesOf(await client.repository().blob(digest)), bytes)
  server.close()
  await once(server, 'close')
})

test('one that is left at once closes its connection, with a rate too', async () => {
  await using upstream = await withBlobs()
  await using client = connectTo(upstream.url, { rate: 1e9 })
  const blob = await client.repository().blob(digest)
  await blob![Symbol.asyncIterator]().return!()
  await eventually(() => upstream.connections === 0)
})

test('F29 a long 206 without a range that makes sense is refused, and its connection closed', async () => {
  await using upstream = await withBlobs()
  await using client = connectTo(upstream.url)
  upstream.on(PATH, { status: 206, headers: { 'Content-Range': undefined } })
  await assertFails(client.repository().blob(digest, { start: 10 }), 'UPSTREAM_INVALID', { reason: /range/ })
  await eventually(() => upstream.connections === 0)
})

suite('heads of long bodies', () => {
  const HEAD = `HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ${SIZE}\r\n\r\n`

  /** What a server that says `speak` for each request makes of the blob. */
  async function answerOf(speak: (socket: Socket) => Promise<void>): Promise<Buffer> {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      const isForBlob = (request: Buffer) => request.includes('/blobs/')
      socket.on('error', () => {}).on('data', (request) => void (isForBlob(request) && speak(socket)))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    try {
      await using client = connectTo(`http://127.0.0.1:${port}`)
      return await bytesOf(await client.repository().blob(digest))
    } finally {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  }
  const inPieces = (...pieces: (string | Buffer)[]) =>
    answerOf(async (socket) => {
      socket.setNoDelay()
      for (const piece of pieces) {
        socket.write(piece)
        await sleep(5)
      }
    })

  test('a head may come in pieces, alone, or with bytes of the body', async () => {
    assert.deepEqual(await inPieces(HEAD.slice(0, 9), HEAD.slice(9, 60), HEAD.slice(60), bytes), bytes)
    assert.deepEqual(await inPieces(HEAD.slice(0, -1), '\n', bytes), bytes)
    assert.deepEqual(await inPieces(HEAD, bytes), bytes)
    assert.deepEqual(await inPieces(Buffer.concat([Buffer.from(HEAD), bytes])), bytes)
    assert.deepEqual(await inPieces(HEAD, bytes.subarray(0, 1), bytes.subarray(1)), bytes)
  })

  test('informational responses may come before it', async () => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </x>; content-length: 999999\r\n\r\n'
    assert.deepEqual(await inPieces(hints, HEAD, bytes), bytes)
    assert.deepEqual(await inPieces(hints + HEAD, bytes), bytes)
  })

  test('SEC-89 a head that can be read in two ways is refused, as in a short answer', async () => {
    const bad = [
      HEAD.replace('\r\n\r\n', `\r\nContent-Length: ${SIZE + 1}\r\n\r\n`),
      HEAD.replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\n\r\n'),
      HEAD.replace('Content-Length: ', 'Content-Length: +'),
      HEAD.replace(/Content-Length: \d+/, '$&, 7'),
      HEAD.replace('Content-Type', 'Content Type'),
    ]
    for (const head of bad) {
      const answer = inPieces(Buffer.concat([Buffer.from(head), bytes]))
      const error = await failureOf(answer.then(() => head))
      assert.ok(['UPSTREAM_INVALID', 'UPSTREAM_UNAVAILABLE'].includes(error.code), JSON.stringify(head))
    }
  })

  test('SEC-89 bytes that nobody asked for end a kept connection, and are no answer', async () => {
    let requests = 0
    const other = Buffer.alloc(SIZE, 'x')
    const body = await answerOf(async (socket) => {
      requests += 1
      // The answer to a second request comes before that is sent.
      socket.write(HEAD)
      socket.write(bytes)
      await sleep(20)
      socket.write(HEAD)
      socket.write(other)
    })
    assert.deepEqual(body, bytes)
    assert.equal(requests, 1)
  })
})
