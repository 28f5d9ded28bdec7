import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Representation } from '../../src/download/fetch/representation.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import type { BlobBody } from '../../src/ports/upstream.ts'

const body = (headers: Partial<BlobBody> = {}): BlobBody => ({
  start: 0,
  ranges: true,
  ...headers,
  async *[Symbol.asyncIterator]() {},
})
const contradiction = (error: unknown) => isRegistryError(error, 'UPSTREAM_INVALID')

test('a range is asked for only where it is not the whole blob, and left open at the end of the blob', () => {
  const blob = new Representation(100)
  assert.equal(blob.rangeFor({ start: 0, end: 100 }), undefined)
  assert.deepEqual(blob.rangeFor({ start: 10, end: 100 }), { start: 10 })
  assert.deepEqual(blob.rangeFor({ start: 0, end: 50 }), { start: 0, end: 50 })
  blob.loseRanges()
  assert.equal(blob.rangeFor({ start: 10, end: 50 }), undefined)

  const unknown = new Representation(undefined)
  assert.equal(unknown.rangeFor({ start: 0, end: Infinity }), undefined)
  assert.deepEqual(unknown.rangeFor({ start: 10, end: Infinity }), { start: 10 })
})

test('the size comes from the manifest, the first answer, or the end of the body, whichever is first', () => {
  const told = new Representation(undefined)
  told.accept(body({ total: 100 }), undefined)
  told.endedAt(90)
  assert.equal(told.size, 100)
  const untold = new Representation(undefined)
  untold.accept(body(), undefined)
  assert.equal(untold.size, undefined)
  untold.endedAt(90)
  assert.equal(untold.size, 90)
})

test('F28 F29 an answer of another size, place or ETag is refused, and the latter two end the use of ranges', () => {
  const blob = new Representation(100)
  assert.throws(() => blob.accept(body({ total: 101 }), undefined), contradiction)
  assert.ok(!blob.isConfirmed)
  blob.accept(body({ total: 100, etag: '"a"' }), undefined)
  assert.ok(blob.isConfirmed)
  assert.equal(blob.hasRanges, undefined)
  blob.accept(body({ start: 10, etag: '"a"' }), { start: 10 })
  assert.equal(blob.hasRanges, true)
  assert.throws(() => blob.accept(body({ start: 20, etag: '"b"' }), { start: 20 }), contradiction)
  assert.equal(blob.hasRanges, false)

  const ignoring = new Representation(100)
  assert.throws(() => ignoring.accept(body(), { start: 10 }), contradiction)
  assert.equal(ignoring.hasRanges, false)
})
