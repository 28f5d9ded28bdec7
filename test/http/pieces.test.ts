/** Readers of one blob that share what was read. */
import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { BufferPool } from '../../src/http/pieces/buffer-pool.ts'
import { Pieces } from '../../src/http/pieces/pieces.ts'
import { OCTET_STREAM } from '../../src/oci/media-types.ts'
import type { BlobReader, LentBytes } from '../../src/ports/blob-store.ts'
import { blobOf } from '../support/fixtures.ts'

const KiB = 1024
const { bytes, digest } = blobOf(3 * 1024 * KiB + 17)

let pool: BufferPool
let pieces: Pieces
let reads: number[]

beforeEach(() => {
  pool = new BufferPool()
  pieces = new Pieces(pool)
  reads = []
})

interface TestReader extends BlobReader {
  readonly taken: [number, number][]
}

function readerOf(key: string | undefined, before?: () => Promise<unknown>): TestReader {
  const taken: [number, number][] = []
  return {
    descriptor: { digest, size: bytes.length, mediaType: OCTET_STREAM },
    taken,
    ...(key !== undefined && {
      sharing: { key, took: (position, count) => void taken.push([position, count]) },
    }),
    async read(buffer, position) {
      reads.push(position)
      await before?.()
      return bytes.copy(buffer, 0, position)
    },
    async [Symbol.asyncDispose]() {},
  }
}

/** Reads a part as `sendBlob` does. */
async function readAll(reader: BlobReader, start = 0, end = bytes.length): Promise<Buffer> {
  const parts: Buffer[] = []
  for (let position = start; position < end;) {
    const held = pieces.hold(reader, position, end)
    const piece = await held.bytes
    parts.push(Buffer.from(piece))
    position += piece.length
    held.release(false)
  }
  return Buffer.concat(parts)
}

describe('readers of the same file', () => {
  test('at once: each piece is read once, and everyone has every byte', async () => {
    const readers = Array.from({ length: 10 }, () => readerOf('a'))
    for (const all of await Promise.all(readers.map((reader) => readAll(reader)))) {
      assert.ok(all.equals(bytes))
    }
    assert.deepEqual(reads, [...new Set(reads)])
    const told = readers.reduce((sum, { taken }) => sum + taken.reduce((all, [, count]) => all + count, 0), 0)
    assert.equal(told, 9 * bytes.length, 'a reader was not told what its caller took')
    assert.equal(pool.lentBytes, 0)
  })

  test('bytes of a reader that goes over to another source while it reads are its own', async () => {
    const goOn = Promise.withResolvers<void>()
    let hasSwitched = false
    const first = readerOf('a', async () => {
      await goOn.promise
      hasSwitched = true
    })
    const { sharing } = first
    const switching = Object.defineProperty(first, 'sharing', {
      get: () => (hasSwitched ? undefined : sharing),
    })
    const second = readerOf('a')
    const held = [switching, second].map((reader) => pieces.hold(reader, 0, bytes.length))
    goOn.resolve()
    await Promise.all(held.map(({ bytes }) => bytes))
    assert.deepEqual(reads, [0, 0])
    assert.deepEqual(second.taken, [])
    for (const one of held) one.release(false)
    assert.equal(pool.lentBytes, 0)
  })

  test('a little later, too', async () => {
    await readAll(readerOf('a'))
    const { length } = reads
    assert.ok((await readAll(readerOf('a'))).equals(bytes))
    assert.equal(reads.length, length)
  })

  test('ranges that begin elsewhere meet at the border of a piece', async () => {
    await readAll(readerOf('a'))
    const { length } = reads
    const start = 300 * KiB + 5
    assert.ok((await readAll(readerOf('a'), start)).equals(bytes.subarray(start)))
    assert.equal(reads.length, length + 1)
  })

  test('a range that ends inside a piece gets no byte more', async () => {
    await readAll(readerOf('a'))
    assert.ok((await readAll(readerOf('a'), 0, 1000)).equals(bytes.subarray(0, 1000)))
    assert.ok(
      (await readAll(readerOf('a'), 600 * KiB, 601 * KiB)).equals(bytes.subarray(600 * KiB, 601 * KiB)),
    )
  })
})

test('readers of other files, and readers that say nothing, read for themselves', async () => {
  for (const key of ['a', 'b', undefined, undefined]) {
    const before = reads.length
    assert.ok((await readAll(readerOf(key))).equals(bytes))
    assert.ok(reads.length - before >= 6)
  }
})

test('a read that fails is the failure of its own reader; the others read with theirs', async () => {
  const failure = new Error('a bad sector')
  const broken = pieces.hold(
    readerOf('a', () => Promise.reject(failure)),
    0,
    bytes.length,
  )
  const held = pieces.hold(readerOf('a'), 0, bytes.length)
  await assert.rejects(async () => broken.bytes, failure)
  assert.ok((await held.bytes).equals(bytes.subarray(0, 512 * KiB)))
  broken.release(true)
  held.release(false)
  assert.equal(pool.lentBytes, 0)
})

test('a buffer that a write may still use is not filled again, whoever shares it', async () => {
  const [left, stays] = [readerOf('a'), readerOf('a')].map((reader) => pieces.hold(reader, 0, bytes.length))
  const piece = await stays!.bytes
  left!.release(true)
  assert.ok(piece.equals(bytes.subarray(0, piece.length)))
  stays!.release(false)
  const others = await Promise.all(
    Array.from({ length: 50 }, (_, i) => pieces.hold(readerOf(`other ${i}`), 0, bytes.length).bytes),
  )
  assert.ok(others.every((other) => other.buffer !== piece.buffer))
})

test('a reader that leaves before the shared read ends takes nothing, and holds nothing', async () => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const [first, second] = [readerOf('a', () => gate), readerOf('a')]
  const held = [first, second].map((reader) => pieces.hold(reader, 0, bytes.length))
  held[1]!.release(true)
  open()
  assert.ok((await held[0]!.bytes).length > 0)
  held[0]!.release(false)
  assert.equal(pool.lentBytes, 0)
})

test("a shared read that fails after a reader has left, which held it ahead, is nobody's failure", async () => {
  const gate = Promise.withResolvers<void>()
  const first = pieces.hold(
    readerOf('a', () => gate.promise),
    0,
    bytes.length,
  )
  pieces.hold(readerOf('a'), 0, bytes.length).release(true)
  gate.reject(new Error('the reader that read has left, too'))
  await assert.rejects(async () => first.bytes)
  first.release(true)
  // Node reports a rejection that nobody handles after the microtasks of a turn, which fails this test.
  await new Promise(setImmediate)
  assert.equal(pool.lentBytes, 0)
})

test('a thousand readers of one piece hold its bytes once, and take 64 KiB of it at a time', async () => {
  const held = Array.from({ length: 1000 }, () => pieces.hold(readerOf('a'), 0, bytes.length))
  const lengths = (await Promise.all(held.map(({ bytes }) => bytes))).map(({ length }) => length)
  assert.deepEqual(
    lengths,
    lengths.toSorted((a, b) => b - a),
  )
  assert.deepEqual([lengths[0], lengths.at(-1)], [512 * KiB, 64 * KiB])
  assert.deepEqual(reads, [0])
  assert.equal(pool.lentBytes, 512 * KiB)
  // Those that others have left count for whoever stays.
  for (const one of held.slice(0, -1)) one.release(false)
  assert.equal(pool.lentBytes, 512 * KiB)
  held.at(-1)!.release(false)
  assert.equal(pool.lentBytes, 0)
  assert.equal(pool.fairShare, 512 * KiB)
})

test('what nobody holds is bounded in bytes, and in time', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const piece = 512 * KiB
  for (let i = 0; i < 100; i++) {
    const held = pieces.hold(readerOf(`${i}`), 0, piece)
    await held.bytes
    held.release(false)
  }
  const kept = async () => {
    const before = reads.length
    for (let i = 99; i >= 0; i--) {
      const held = pieces.hold(readerOf(`${i}`), 0, piece)
      await held.bytes
      held.release(true)
    }
    return 100 - (reads.length - before)
  }
  const { length } = reads
  assert.equal(length, 100)
  assert.equal(await kept(), 24)
  t.mock.timers.tick(2000)
  assert.equal(await kept(), 0)
})

describe('a reader that lends', () => {
  let held: number

  beforeEach(() => {
    held = 0
  })

  /** Lends `MiB` at a time, once `before` has resolved. */
  function lenderOf(before?: () => Promise<unknown>): BlobReader {
    return {
      ...readerOf(undefined),
      async lend(position): Promise<LentBytes | undefined> {
        await before?.()
        held += 1
        return {
          bytes: bytes.subarray(position, position + 1024 * KiB),
          giveBack: () => void (held -= 1),
        }
      },
    }
  }

  test('has its bytes sent where they are, up to the end that was asked for', async () => {
    assert.ok((await readAll(lenderOf())).equals(bytes))
    assert.ok((await readAll(lenderOf(), 17, 100_000)).equals(bytes.subarray(17, 100_000)))
    assert.deepEqual(reads, [])
    assert.equal(held, 0)
  })

  test('has four pieces with clients at most: the others get copies', async () => {
    const all = Array.from({ length: 9 }, () => pieces.hold(lenderOf(), 0, bytes.length))
    for (const { bytes: piece } of all) assert.ok(bytes.indexOf(await piece) === 0)
    assert.deepEqual([held, reads.length], [4, 5])
    for (const piece of all) piece.release(false)
    assert.deepEqual([held, pool.lentBytes], [0, 0])
    assert.ok((await readAll(lenderOf())).equals(bytes))
    assert.equal(reads.length, 5)
  })

  test('that still waits for its bytes takes no place of the four', async () => {
    const comes = Promise.withResolvers<void>()
    const waiting = Array.from({ length: 9 }, () =>
      pieces.hold(
        lenderOf(() => comes.promise),
        0,
        bytes.length,
      ),
    )
    assert.ok((await readAll(lenderOf())).equals(bytes))
    assert.deepEqual(reads, [])
    for (const piece of waiting) piece.release(true)
    comes.resolve()
    await Promise.allSettled(waiting.map((piece) => piece.bytes))
    assert.deepEqual([held, pool.lentBytes], [0, 0])
  })

  test('gets back what came when nobody wanted it any more', async () => {
    const comes = Promise.withResolvers<void>()
    const piece = pieces.hold(
      lenderOf(() => comes.promise),
      0,
      bytes.length,
    )
    piece.release(true)
    comes.resolve()
    await piece.bytes
    assert.equal(held, 0)
  })

  test('is read where it lends nothing, and fails as a read does', async () => {
    const none = { ...readerOf(undefined), lend: async () => undefined }
    assert.ok((await readAll(none)).equals(bytes))
    assert.ok(reads.length > 0)
    const failure = new Error('disposed')
    const failing = lenderOf(() => Promise.reject(failure))
    for (let i = 0; i < 5; i++) await assert.rejects(readAll(failing), failure)
    assert.ok((await readAll(lenderOf())).equals(bytes))
  })

  test('is read where pieces are to be small, and where many readers take turns', async () => {
    const small = new Pieces(pool, { borrows: false })
    const piece = small.hold(lenderOf(), 0, bytes.length)
    assert.equal((await piece.bytes).length, 512 * KiB)
    piece.release(false)
    const crowd = Array.from({ length: 40 }, () => pieces.hold(readerOf(undefined), 0, bytes.length))
    const last = pieces.hold(lenderOf(), 0, bytes.length)
    await last.bytes
    assert.equal(held, 0)
    for (const one of [...crowd, last]) one.release(true)
  })
})
