import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReceiveBuffer } from '../../src/upstream/body/receive-buffer.ts'
import { MOST_SHARED, SHARED_PIECE, SharedPieces } from '../../src/upstream/body/shared-pieces.ts'
import { usesOf } from '../../src/util/shared-piece.ts'
import { blobOf } from '../support/fixtures.ts'
import { seededRandom } from '../support/seeded-random.ts'

const KiB = 1024

test('every byte comes out once and in order, and the last two chunks stay as they are', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seededRandom(seed)
    const { bytes } = blobOf(random.pick([1, 70_000, 300_000, 4_000_000]), seed)
    const most = random.pick([100, 16 * KiB, 64 * KiB, 600 * KiB])
    const buffer = new ReceiveBuffer(bytes.length)
    let [received, taken] = [0, 0]
    const last: { readonly chunk: Buffer; readonly copy: Buffer }[] = []
    const receive = (): void => {
      const space = buffer.space()
      if (space === undefined || buffer.left === 0) return
      const count = Math.min(space.length, 1 + random.below(most))
      if (random.below(10) === 0) buffer.add(bytes.subarray(received, received + count))
      else {
        bytes.copy(space, 0, received, received + count)
        buffer.filled(count)
      }
      received += count
    }
    while (taken < bytes.length) {
      for (let i = random.below(6); i >= 0; i--) receive()
      buffer.release()
      if (last.length > 2) last.shift()
      for (let i = random.below(6); i >= 0; i--) receive()
      const chunk = buffer.take()
      if (chunk === undefined) continue
      assert.ok(chunk.equals(bytes.subarray(taken, taken + chunk.length)), `seed ${seed} at ${taken}`)
      taken += chunk.length
      last.push({ chunk, copy: Buffer.from(chunk) })
      for (const { chunk, copy } of last) assert.ok(chunk.equals(copy), `seed ${seed}: overwritten`)
      assert.ok(buffer.allocated <= 3 * 512 * KiB)
    }
    assert.equal(buffer.left, 0)
    assert.equal(buffer.take(), undefined)
  }
})

test('a body that is taken as it comes holds two small pieces', () => {
  const buffer = new ReceiveBuffer(10_000_000)
  for (let i = 0; i < 600; i++) {
    buffer.filled(Math.min(buffer.space()!.length, 10_000))
    buffer.release()
    while (buffer.take() !== undefined) buffer.release()
  }
  assert.ok(buffer.allocated <= 3 * 64 * KiB, String(buffer.allocated))
})

test('a body that nobody takes stops coming after three pieces', () => {
  const buffer = new ReceiveBuffer(10_000_000)
  for (let space; (space = buffer.space()) !== undefined;) buffer.filled(space.length)
  assert.equal(buffer.allocated, 10_000_000 - buffer.left)
  assert.ok(buffer.allocated <= 3 * 512 * KiB)
})

test('no piece is longer than what is still to come', () => {
  const buffer = new ReceiveBuffer(300 * KiB)
  while (buffer.left > 0) buffer.filled(buffer.space()!.length)
  assert.ok(buffer.allocated <= 320 * KiB, String(buffer.allocated))
})

test('two long bodies that come fast have shared pieces, which later ones use again', () => {
  const pieces = new SharedPieces()
  const memory = new Set<ArrayBufferLike>()
  const bodies = [0, 1, 2].map(() => new ReceiveBuffer(140_000_000, pieces))
  for (const body of bodies) {
    while (body.left > 130_000_000) {
      while (body.space() !== undefined) body.filled(body.space()!.length)
      body.release()
      for (let chunk; (chunk = body.take()) !== undefined; body.release()) {
        if (usesOf(chunk) !== undefined) memory.add(chunk.buffer)
      }
    }
  }
  assert.ok(memory.size > 3 && memory.size <= MOST_SHARED, String(memory.size))
  for (const body of bodies) body.end()
  const again = Array.from({ length: memory.size }, () => pieces.take()!)
  assert.deepEqual(new Set(again.map(({ buffer }) => buffer)), memory)
  assert.ok(again.every(({ length }) => length === SHARED_PIECE))
})

test('a piece that another thread uses is lent to nobody before that ends', () => {
  const pieces = new SharedPieces()
  const [used, ...others] = Array.from({ length: MOST_SHARED }, () => pieces.take()!)
  assert.ok(pieces.take() === undefined)
  Atomics.add(usesOf(used!)!, 0, 1)
  for (const piece of [used!, ...others]) pieces.give(piece)
  const lent = Array.from({ length: MOST_SHARED }, () => pieces.take())
  assert.ok(!lent.includes(used))
  assert.equal(new Set(lent).size, MOST_SHARED)
  Atomics.sub(usesOf(used!)!, 0, 1)
  assert.ok(pieces.take() === used)
})

test('shared pieces that nobody took for a minute are dropped, but for those that a thread uses', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const pieces = new SharedPieces()
  const [used, other] = [pieces.take()!, pieces.take()!]
  Atomics.add(usesOf(used)!, 0, 1)
  for (const piece of [used, other]) pieces.give(piece)
  t.mock.timers.tick(59_999)
  assert.ok(pieces.take() === other)
  pieces.give(other)
  t.mock.timers.tick(60_000)
  Atomics.sub(usesOf(used)!, 0, 1)
  assert.ok(pieces.take() === used)
  assert.ok(pieces.take() !== other)
  pieces.give(used)
  t.mock.timers.tick(60_000)
  const all = Array.from({ length: MOST_SHARED }, () => pieces.take())
  assert.ok(!all.includes(used))
  assert.equal(all.filter((piece) => piece !== undefined).length, MOST_SHARED - 1, 'one is lent still')
})

test('what another thread still uses is not filled again, and stops nothing else from coming', () => {
  const body = new ReceiveBuffer(200_000_000, new SharedPieces())
  const next = (): Buffer => {
    body.release()
    for (let space; (space = body.space()) !== undefined;) body.filled(space.length)
    const chunk = body.take()
    assert.ok(chunk !== undefined, 'nothing came')
    return chunk
  }
  // The first piece is no shared one.
  next()
  const used = [7, 8, 9].map((mark) => {
    const chunk = next().fill(mark)
    Atomics.add(usesOf(chunk)!, 0, 1)
    return { chunk, mark }
  })
  for (let i = 0; i < 20; i++) next().fill(1)
  for (const { chunk, mark } of used) assert.ok(chunk.every((byte) => byte === mark))
  assert.ok(body.allocated <= (3 + used.length) * SHARED_PIECE, String(body.allocated))
  for (const { chunk } of used) Atomics.sub(usesOf(chunk)!, 0, 1)
  for (let i = 0; i < 4; i++) next()
  assert.ok(body.allocated <= 3 * SHARED_PIECE, String(body.allocated))
})

test('pieces that are all in use are waited for while there is something to take, and not without', () => {
  const body = new ReceiveBuffer(200_000_000, new SharedPieces())
  const fill = (): void => {
    for (let space; (space = body.space()) !== undefined;) body.filled(space.length)
  }
  const held: Int32Array<SharedArrayBuffer>[] = []
  for (let chunk; held.length < MOST_SHARED - 1;) {
    body.release()
    fill()
    chunk = body.take()
    assert.ok(chunk !== undefined, 'nothing came')
    const uses = usesOf(chunk)
    if (uses === undefined) continue
    Atomics.add(uses, 0, 1)
    held.push(uses)
  }
  fill()
  const allocated = body.allocated
  assert.ok(allocated <= MOST_SHARED * SHARED_PIECE, String(allocated))
  while (body.take() !== undefined) body.release()
  assert.ok(body.space() !== undefined, 'a taker that has everything waits for ever')
  for (const uses of held) Atomics.sub(uses, 0, 1)
  fill()
  assert.ok(body.allocated <= allocated, String(body.allocated))
})
