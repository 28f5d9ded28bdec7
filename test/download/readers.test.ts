import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Readers } from '../../src/download/readers.ts'
import { BufferPool } from '../../src/http/pieces/buffer-pool.ts'
import { Pieces } from '../../src/http/pieces/pieces.ts'
import { OCTET_STREAM } from '../../src/oci/media-types.ts'
import type { BlobReader } from '../../src/ports/blob-store.ts'
import { blobOf } from '../support/fixtures.ts'

const { bytes, digest } = blobOf(3_000_000)
const descriptor = { digest, size: bytes.length, mediaType: OCTET_STREAM }

/** A blob that arrives as `arrive` says, and counts the bytes that are read of it. */
function arriving() {
  let [arrived, read] = [0, 0]
  let failure: { readonly reason: unknown } | undefined
  let lent = 0
  const readers = new Readers({
    failure: () => failure,
    lend(position, end) {
      lent += 1
      return { bytes: bytes.subarray(position, end), giveBack: () => void (lent -= 1) }
    },
    readableFrom: (position) => Math.max(position, arrived),
    read(buffer, position) {
      const count = bytes.copy(buffer, 0, position, arrived)
      read += count
      return count
    },
    unread() {},
  })
  return {
    get lent() {
      return lent
    },
    open: () => readers.subscribe().reader(descriptor),
    arrive(count: number) {
      arrived = Math.min(bytes.length, arrived + count)
      readers.wake()
    },
    fail(reason: unknown) {
      failure = { reason }
      readers.wake()
    },
    get read() {
      return read
    },
  }
}

/** Reads as `sendBlob` does. */
async function readAll(pieces: Pieces, reader: BlobReader): Promise<Buffer> {
  const parts: Buffer[] = []
  try {
    for (let position = 0; position < bytes.length;) {
      const held = pieces.hold(reader, position, bytes.length)
      try {
        const piece = await held.bytes
        parts.push(Buffer.from(piece))
        position += piece.length
      } finally {
        held.release(false)
      }
    }
  } finally {
    await reader[Symbol.asyncDispose]()
  }
  return Buffer.concat(parts)
}

test('readers of one download share what was read, one that is alone does not', async () => {
  const blob = arriving()
  const pieces = new Pieces(new BufferPool())
  const alone = blob.open()
  assert.equal(alone.sharing, undefined)
  const others = Array.from({ length: 9 }, () => blob.open())
  assert.ok(others.every(({ sharing }) => sharing?.key === alone.sharing?.key))
  const all = Promise.all([alone, ...others].map((reader) => readAll(pieces, reader)))
  for (let i = 0; i < 30; i++) {
    blob.arrive(100_000)
    await new Promise(setImmediate)
  }
  for (const one of await all) assert.ok(one.equals(bytes))
  assert.ok(blob.read < 2 * bytes.length, `${blob.read / bytes.length} × the blob was read for 10 readers`)
})

test('downloads of the same blob share nothing', () => {
  const [one, other] = [arriving(), arriving()]
  const readers = [one.open(), one.open(), other.open(), other.open()]
  assert.equal(new Set(readers.map(({ sharing }) => sharing?.key)).size, 2)
})

test('one that leaves while others wait for what it reads does not end them; a failure does', async () => {
  const blob = arriving()
  const pieces = new Pieces(new BufferPool())
  const [leaving, staying, failing] = [blob.open(), blob.open(), blob.open()]
  const gone = assert.rejects(readAll(pieces, leaving))
  const all = [readAll(pieces, staying), readAll(pieces, failing)]
  await new Promise(setImmediate)
  await leaving[Symbol.asyncDispose]()
  await gone
  blob.arrive(1_000_000)
  await new Promise(setImmediate)
  const reason = new Error('other content')
  blob.fail(reason)
  for (const one of all) await assert.rejects(one, (error) => error === reason)
})

test('a reader is lent what has arrived, and waits for it; at the end and after a failure it is lent nothing', async () => {
  const blob = arriving()
  await using reader = blob.open()
  const waiting = reader.lend!(0)
  blob.arrive(1000)
  const lent = (await waiting)!
  assert.ok(lent.bytes.equals(bytes.subarray(0, 1000)))
  assert.equal(blob.lent, 1)
  lent.giveBack()
  assert.equal(await reader.lend!(bytes.length), undefined)
  const other = reader.lend!(1000)
  const reason = new Error('other content')
  blob.fail(reason)
  assert.equal(await other, undefined)
  await assert.rejects(reader.read(Buffer.alloc(1), 1000), (error) => error === reason)
  assert.equal(blob.lent, 0)
})

test('a reader that is disposed of is lent nothing more', async () => {
  const reader = arriving().open()
  const waiting = assert.rejects(reader.lend!(0), { name: 'AbortError' })
  await reader[Symbol.asyncDispose]()
  await waiting
  await assert.rejects(reader.lend!(0), { name: 'AbortError' })
})
