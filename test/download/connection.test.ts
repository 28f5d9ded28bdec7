import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Connection } from '../../src/download/fetch/connection.ts'
import { Representation } from '../../src/download/fetch/representation.ts'
import { RecentBytes } from '../../src/download/fetch/recent-bytes.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import type { BlobBody } from '../../src/ports/upstream.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { memoryStore } from '../support/memory-store.ts'

const { bytes, digest } = blobOf(100)

/** A body of `bytes`, in chunks of seven, from `start` on. */
function bodyFrom(start: number, end = bytes.length): BlobBody {
  return {
    start,
    ranges: true,
    async *[Symbol.asyncIterator]() {
      for (let at = start; at < end; at += 7) yield bytes.subarray(at, Math.min(at + 7, end))
    },
  }
}

async function connectionTo(open: (range?: { start?: number; end?: number }) => BlobBody | undefined) {
  const ingest = await memoryStore().blobs.ingest({ digest, origin: 'fake' })
  const representation = new Representation(undefined)
  const told = { confirmed: 0, wrote: 0 }
  const connection = new Connection({
    source: { open: async (range) => open(range) },
    ingest,
    representation,
    recent: new RecentBytes(),
    confirmed: () => void (told.confirmed += 1),
    answered: () => {},
    wrote: (count) => void (told.wrote += count),
  })
  return { connection, ingest, representation, told }
}

const { signal } = new AbortController()

test('segments are written where they belong, and confirmed once', async () => {
  const { connection, ingest, told } = await connectionTo((range) => bodyFrom(range?.start ?? 0, range?.end))
  for (const [position, end] of [
    [60, 80],
    [0, 60],
  ] as const) {
    const segment = { position, end }
    assert.equal(await connection.run(segment, signal), 'complete')
    assert.deepEqual(segment, { position: end, end, bodyEnd: end })
  }
  assert.deepEqual([...ingest.filled], [{ start: 0, end: 80 }])
  assert.deepEqual(told, { confirmed: 1, wrote: 80 })
  const read = Buffer.alloc(80)
  assert.equal(await ingest.read(read, 0), 80)
  assert.deepEqual(read, bytes.subarray(0, 80))
})

test('the end of a gap is not the end of the blob, where upstream does not tell the size', async () => {
  for (const ignoresRanges of [true, false]) {
    const { connection, ingest, representation } = await connectionTo((range) =>
      bodyFrom(0, ignoresRanges ? undefined : range?.end),
    )
    await ingest.write(bytes.subarray(50, 80), 50)
    assert.equal(await connection.run({ position: 0, end: 50 }, signal), 'complete')
    assert.equal(representation.size, undefined)
    assert.deepEqual([...ingest.filled], [{ start: 0, end: 80 }])
  }
})

test('the end of a whole body without a length is the end of the blob', async () => {
  const { connection, representation } = await connectionTo(() => bodyFrom(0))
  const segment = { position: 0, end: Infinity }
  assert.equal(await connection.run(segment, signal), 'complete')
  assert.equal(representation.size, 100)
  assert.deepEqual([segment.position, segment.end], [100, 100])
})

test('a body is left when nothing of it has come for a turn, and the rest is fetched by another request', async () => {
  const silence = Promise.withResolvers<never>()
  const ranges: unknown[] = []
  const { connection, ingest } = await connectionTo((range) => {
    ranges.push(range)
    if (ranges.length > 1) return bodyFrom(range?.start ?? 0, range?.end)
    return {
      ...bodyFrom(0),
      total: bytes.length,
      async *[Symbol.asyncIterator]() {
        yield bytes.subarray(0, 7)
        await silence.promise
      },
    }
  })
  const segment = { position: 0, end: 100 }
  const run = connection.run(segment, signal)
  await eventually(() => segment.position === 7)
  for (const isDry of [false, false, true]) {
    await new Promise<void>((resolve) => connection.look(resolve))
    assert.equal(connection.isDry, isDry)
  }
  segment.end = 40
  connection.look(() => {
    connection.leave()
    silence.reject(new Error('aborted'))
  })
  assert.equal(await run, 'left')
  assert.equal(connection.isDry, true)
  assert.deepEqual(segment, { position: 7, end: 40, bodyEnd: 100 })
  assert.equal(await connection.run(segment, signal), 'complete')
  assert.deepEqual(ranges, [
    { start: 0, end: 100 },
    { start: 7, end: 40 },
  ])
  assert.deepEqual([...ingest.filled], [{ start: 0, end: 40 }])
})

test('a blob that was never there is missing, and one that was there before is an outage', async () => {
  let isThere = false
  const { connection } = await connectionTo(() => (isThere ? bodyFrom(0) : undefined))
  assert.equal(await connection.run({ position: 0, end: Infinity }, signal), 'missing')
  isThere = true
  await connection.run({ position: 0, end: Infinity }, signal)
  isThere = false
  await assert.rejects(connection.run({ position: 0, end: 100 }, signal), (error) =>
    isRegistryError(error, 'UPSTREAM_UNAVAILABLE'),
  )
})
