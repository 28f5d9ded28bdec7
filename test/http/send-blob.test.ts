/** Sending blobs to clients that leave, stall and pipeline, from stores that fail and wait. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { BufferPool } from '../../src/http/pieces/buffer-pool.ts'
import type { Timeouts } from '../../src/http/server/http-server.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import type { BlobProvider, BlobReader } from '../../src/ports/blob-store.ts'
import type { ReadOptions } from '../../src/ports/read-options.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { MemoryRegistry } from '../support/memory-registry.ts'
import { call, RawClient } from '../support/raw-client.ts'
import { type RegistryServer, serveRegistry } from '../support/registry-server.ts'

const MiB = 1024 * 1024
const { bytes, digest } = blobOf(MiB + 4321)
const BLOB = `/v2/library/app/blobs/${digest}`

let registry: MemoryRegistry
let pool: BufferPool
let server: RegistryServer

beforeEach(() => start())

async function start(timeouts: Partial<Timeouts> = {}): Promise<void> {
  registry = new MemoryRegistry()
  registry.addBlob(bytes)
  pool = new BufferPool(8 * MiB)
  server = await serveRegistry(registry, { pool, timeouts })
}

afterEach(async () => {
  await eventually(() => registry.openNow === 0 && pool.lentBytes === 0)
  await server.close(0)
  assert.deepEqual(server.unexpected, [])
})

/** Serves `read` as a blob of `size` bytes. */
function serveReader(
  size: number,
  read: BlobReader['read'],
  open?: (options?: ReadOptions) => Promise<void>,
): void {
  const { stat } = registry.find({ name: 'library/app' })!.blobs
  const blobs: BlobProvider = {
    stat,
    async open(digest, options) {
      await open?.(options)
      return registry.reader(digest, size, read)
    },
  }
  registry.overrides = { blobs }
}

/** Serves a blob of `size` bytes whose reader lends all that is left. @returns how many pieces are lent */
function serveLender(size: number): () => number {
  let lent = 0
  const memory = Buffer.alloc(size, 'lent')
  const { stat } = registry.find({ name: 'library/app' })!.blobs
  const blobs: BlobProvider = {
    stat,
    open: async (digest) => ({
      ...registry.reader(digest, size, never),
      async lend(position) {
        lent += 1
        return { bytes: memory.subarray(position), giveBack: () => void (lent -= 1) }
      },
    }),
  }
  registry.overrides = { blobs }
  return () => lent
}

const never = () => new Promise<never>(() => {})

const whatever = (buffer: Buffer) => Promise.resolve(buffer.length)

/** Bytes derived from their position, so that a blob of any size needs no memory. */
function patternAt(buffer: Buffer, position: number): Promise<number> {
  for (let i = 0; i < buffer.length; i++) buffer[i] = ((position + i) * 31 + ((position + i) >>> 12)) & 0xff
  return Promise.resolve(buffer.length)
}

describe('a client that leaves', () => {
  test('SEC-58: at every kind of byte offset, leaves nothing behind', async () => {
    const head = 400
    const offsets = [0, 1, head, ...Array.from({ length: 40 }, (_, i) => Math.floor((bytes.length * i) / 39))]
    await Promise.all(
      offsets.map(async (offset) => {
        using client = await RawClient.connect(server.port)
        client.request('GET', BLOB)
        await client.received(offset)
      }),
    )
    await eventually(() => server.lines.length === offsets.length)
    assert.equal(registry.openNow, 0)
    assert.deepEqual((await call(server.port, 'GET', BLOB)).body, bytes)
  })

  test('containerd 2.1: open-ended ranges that are aborted after their chunk (F46)', async () => {
    const chunk = 64 * 1024
    for (let start = 0; start < bytes.length; start += chunk) {
      using client = await RawClient.connect(server.port)
      client.request('GET', BLOB, [`Range: bytes=${start}-`])
      await client.received(Math.min(chunk, bytes.length - start))
    }
    await eventually(() => registry.openNow === 0)
  })

  test('while bytes are waited for: the reader is disposed at once', async () => {
    let asked = 0
    serveReader(100, () => (asked++, never()))
    using client = await RawClient.connect(server.port)
    client.request('GET', BLOB)
    await eventually(() => asked === 1)
    client.socket.destroy()
    await eventually(() => registry.openNow === 0)
    await eventually(() => server.lines.length === 1)
    assert.deepEqual([server.lines[0]!['status'], server.lines[0]!['aborted']], [499, true])
  })

  test('while the blob is being opened: the signal says so, and a reader that comes anyway is disposed', async () => {
    const { promise: gate, resolve: opens } = Promise.withResolvers<void>()
    let signal: AbortSignal | undefined
    serveReader(100, never, (options) => ((signal = options!.signal), gate))
    using client = await RawClient.connect(server.port)
    client.request('GET', BLOB)
    await eventually(() => signal !== undefined)
    assert.equal(signal!.aborted, false)
    client.socket.destroy()
    await eventually(() => signal!.aborted)
    opens()
    await eventually(() => registry.opened === 1 && registry.openNow === 0)
  })

  test('with a request behind the one it left: that one is never begun', async () => {
    serveReader(100, never)
    using client = await RawClient.connect(server.port)
    client.request('GET', BLOB).request('GET', BLOB).request('GET', BLOB)
    await eventually(() => registry.opened === 1)
    client.socket.destroy()
    await eventually(() => registry.openNow === 0)
    assert.equal(registry.opened, 1)
  })
})

describe('a store that fails', () => {
  const failure = new RegistryError('UPSTREAM_UNAVAILABLE', { upstream: 'example.com' })

  test('before the first byte: a proper answer, and the connection lives', async () => {
    serveReader(100, () => Promise.reject(failure))
    using client = await RawClient.connect(server.port)
    const { status, headers } = await client.request('GET', BLOB).response()
    assert.deepEqual([status, headers['content-type']], [502, 'application/json'])
    assert.equal((await client.request('GET', '/v2/').response()).status, 200)
  })

  for (const [how, fails] of [
    ['with an error', () => Promise.reject(failure)],
    ['by ending early', () => Promise.resolve(0)],
  ] as const) {
    test(`late, ${how}: the connection is cut, and nothing is taken for the rest of the body`, async () => {
      const there = 100_000
      serveReader(MiB, (buffer, position) =>
        position < there
          ? patternAt(buffer.subarray(0, Math.min(buffer.length, there - position)), position)
          : fails(),
      )
      using client = await RawClient.connect(server.port)
      client.request('GET', BLOB).request('GET', '/v2/')
      const all = await client.rest()
      const head = all.subarray(0, all.indexOf('\r\n\r\n')).toString()
      assert.match(head, /^HTTP\/1\.1 200 OK\r\n[^]*Content-Length: 1048576\r\n/)
      assert.ok(all.length <= head.length + 4 + there)
      assert.doesNotMatch(all.subarray(head.length).toString('latin1'), /HTTP\/1\.1|errors/)
      await eventually(() => server.answered.length === 1)
      assert.equal(server.answered[0]!.result, 'error')
      assert.equal(server.lines[0]!['aborted'], true)
    })
  }

  test('at the first byte by being empty: 503', async () => {
    serveReader(100, () => Promise.resolve(0))
    assert.equal((await call(server.port, 'GET', BLOB)).status, 503)
  })
})

test('the range of a blob that is refused disposes its reader', async () => {
  const { status } = await call(server.port, 'GET', BLOB, ['Range: bytes=99999999-'])
  assert.deepEqual([status, registry.opened, registry.openNow], [416, 1, 0])
})

test('a HEAD opens nothing', async () => {
  for (let i = 0; i < 5; i++) await call(server.port, 'HEAD', BLOB)
  assert.deepEqual([registry.opened, registry.stats], [0, 5])
})

test('F48: an empty blob is 200, whatever range is asked for', async () => {
  const empty = registry.addBlob(Buffer.alloc(0))
  for (const range of [[], ['Range: bytes=0-'], ['Range: bytes=0-0'], ['Range: bytes=-5']]) {
    const { status, headers, body } = await call(server.port, 'GET', `/v2/library/app/blobs/${empty}`, range)
    assert.deepEqual([status, headers['content-length'], body.length], [200, '0', 0])
  }
})

test('a range beyond 4 GiB', async () => {
  serveReader(6_000_000_000, patternAt)
  const { status, headers, body } = await call(server.port, 'GET', BLOB, [
    'Range: bytes=5000000000-5000000999',
  ])
  const expected = Buffer.alloc(1000)
  await patternAt(expected, 5_000_000_000)
  assert.equal(status, 206)
  assert.equal(headers['content-range'], 'bytes 5000000000-5000000999/6000000000')
  assert.deepEqual(body, expected)
})

test('a buffer is filled again only after the socket has all of it', async () => {
  const size = 5 * MiB
  serveReader(size, patternAt)
  const expected = Buffer.alloc(size)
  await patternAt(expected, 0)
  const clients = await Promise.all(Array.from({ length: 4 }, () => RawClient.connect(server.port)))
  const bodies = clients.map(async (client, i) => {
    client.request('GET', BLOB)
    // Fills the kernel's buffers again and again.
    const pauses = setInterval(() => {
      client.socket.pause()
      setImmediate(() => client.socket.resume())
    }, 3 + i)
    const { body } = await client.response()
    clearInterval(pauses)
    return digestOf(body)
  })
  assert.deepEqual(new Set(await Promise.all(bodies)), new Set<Digest>([digestOf(expected)]))
  for (const client of clients) client.socket.destroy()
})

test('the signal of a request that was answered is not aborted', async () => {
  let signal: AbortSignal | undefined
  const { blobs } = registry.find({ name: 'library/app' })!
  registry.overrides = {
    blobs: {
      stat: blobs.stat,
      open: (digest, options) => ((signal = options!.signal), blobs.open(digest, options)),
    },
  }
  await call(server.port, 'GET', BLOB)
  await eventually(() => server.lines.length === 1)
  assert.equal(signal!.aborted, false)
})

describe('a client that does not read', () => {
  const stall = 150
  beforeEach(async () => {
    await server.close(0)
    await start({ stall })
  })

  test('F45, SEC-56: is cut off after the stall limit; the others are not', async () => {
    serveReader(1024 * MiB, whatever)
    using stalled = await RawClient.connect(server.port)
    stalled.socket.pause()
    stalled.request('GET', BLOB)
    const before = performance.now()
    await eventually(() => server.lines.length === 1)
    assert.ok(performance.now() - before >= 0.9 * stall, 'it was cut off too early')
    assert.equal(server.lines[0]!['aborted'], true)
    assert.equal(registry.openNow, 0)
    assert.equal((await call(server.port, 'GET', '/v2/')).status, 200)
  })

  test('also when it asked for manifests, many at once', async () => {
    const manifest = Buffer.alloc(4 * MiB, ' ')
    registry.addManifest(manifest, { tag: 'large' })
    using stalled = await RawClient.connect(server.port)
    stalled.socket.pause()
    for (let i = 0; i < 20; i++) stalled.request('GET', '/v2/library/app/manifests/large')
    await eventually(() => server.lines.some((line) => line['aborted'] === true))
    assert.ok(server.lines.length < 10, 'its requests were answered into memory')
  })

  test('is not the one who is waiting for upstream', async () => {
    let reads = 0
    serveReader(2, async (buffer, position) => {
      reads++
      await new Promise((resolve) => setTimeout(resolve, 2 * stall))
      return patternAt(buffer.subarray(0, 1), position)
    })
    const { status, body } = await call(server.port, 'GET', BLOB)
    assert.deepEqual([status, body.length, reads], [200, 2, 2])
  })
})

test('SEC-56: a hundred clients that do not read hold little more than the budget', async () => {
  serveReader(1024 * MiB, whatever)
  const clients = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const client = await RawClient.connect(server.port)
      client.socket.pause()
      return client.request('GET', BLOB)
    }),
  )
  await eventually(() => registry.opened === 100)
  const smallest = 16 * 1024
  assert.ok(pool.lentBytes <= 8 * MiB + 100 * 2 * smallest, `${pool.lentBytes} bytes are lent`)
  assert.deepEqual((await call(server.port, 'GET', '/v2/')).status, 200)
  for (const client of clients) client.socket.destroy()
})

describe('memory that a reader lends', () => {
  test('is given back when the kernel has taken it', async () => {
    const lent = serveLender(3 * MiB)
    const { body } = await call(server.port, 'GET', BLOB)
    assert.ok(body.equals(Buffer.alloc(3 * MiB, 'lent')))
    assert.equal(lent(), 0)
  })

  test('is not given back while a client takes nothing, but when its connection is closed', async () => {
    const lent = serveLender(64 * MiB)
    using client = await RawClient.connect(server.port)
    client.request('GET', BLOB)
    await client.received(MiB)
    client.socket.pause()
    assert.equal((await call(server.port, 'GET', '/v2/')).status, 200)
    assert.equal(lent(), 1)
    client.socket.destroy()
    await eventually(() => lent() === 0)
    await eventually(() => server.lines.length === 2)
  })
})
