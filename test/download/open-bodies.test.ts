import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BodyReader, OpenBodies } from '../../src/download/fetch/open-bodies.ts'
import type { Segment } from '../../src/download/fetch/segments.ts'

const MiB = 1024 * 1024

/** A connection whose socket is empty, or is not, whenever it is looked at. */
function reader(isDry: boolean): BodyReader & { left: number } {
  return {
    isDry,
    left: 0,
    look: (dry) => (isDry ? dry() : undefined),
    leave() {
      this.left += 1
    },
  }
}

function body(start: number, end: number): Segment {
  return { position: start * MiB, end: end * MiB, bodyEnd: end * MiB }
}

test('FR-24 a body may be left in the middle while 8 % of the blob cover what is under way', () => {
  const bodies = new OpenBodies()
  const [one, two] = [body(0, 50), body(50, 100)]
  bodies.hold(one, reader(false))
  bodies.hold(two, reader(false))
  assert.ok(bodies.mayDivide(100 * MiB, one, 20 * MiB, true, 'reader'))
  one.end = 20 * MiB
  assert.ok(!bodies.mayDivide(100 * MiB, two, 70 * MiB, true, 'reader'))
  assert.ok(bodies.mayDivide(200 * MiB, two, 70 * MiB, true, 'reader'))
  // A body that is left anyhow costs no more when it is left sooner.
  assert.ok(bodies.mayDivide(100 * MiB, one, 10 * MiB, true, 'reader'))
  // The last bytes of a body are all that can be lost of it.
  assert.ok(bodies.mayDivide(100 * MiB, two, 99 * MiB, true, 'reader'))
  bodies.release(one)
  assert.ok(!bodies.mayDivide(100 * MiB, two, 70 * MiB, true, 'reader'), 'what was lost stays lost')
})

test('FR-24 what is divided to be done sooner costs upstream less than shows', () => {
  const bodies = new OpenBodies()
  const segment = body(0, 256)
  bodies.hold(segment, reader(false))
  assert.ok(!bodies.mayDivide(256 * MiB, segment, 100 * MiB, true, 'speed'))
  assert.ok(bodies.mayDivide(256 * MiB, segment, 255 * MiB, true, 'speed'))
  const slow = body(0, 256)
  bodies.hold(slow, reader(true))
  assert.ok(bodies.mayDivide(256 * MiB, slow, 100 * MiB, true, 'speed'))
  assert.ok(bodies.mayDivide(2048 * MiB, segment, 100 * MiB, true, 'speed'))
})

test('FR-24 beyond that only a body with an empty socket, when there is a request for its rest', () => {
  for (const isDry of [true, false]) {
    const bodies = new OpenBodies()
    const segment = body(0, 48)
    bodies.hold(segment, reader(isDry))
    assert.equal(bodies.mayDivide(48 * MiB, segment, 16 * MiB, true, 'reader'), isDry)
    assert.equal(bodies.mayDivide(48 * MiB, segment, 16 * MiB, false, 'reader'), false)
  }
})

test('upstream is the slow side while a socket is empty, of those that are held', () => {
  const bodies = new OpenBodies()
  const slow = body(0, 48)
  bodies.hold(body(48, 96), reader(false))
  assert.ok(!bodies.isDry)
  bodies.hold(slow, reader(true))
  assert.ok(bodies.isDry)
  bodies.release(slow)
  assert.ok(!bodies.isDry)
})

test('FR-24 a body that would cost too much is left while its socket is empty, and no other', () => {
  const bodies = new OpenBodies()
  const [divided, whole, full] = [body(0, 48), body(48, 96), body(0, 48)]
  const connections = [reader(true), reader(true), reader(false)] as const
  bodies.hold(divided, connections[0])
  bodies.hold(whole, connections[1])
  bodies.hold(full, connections[2])
  divided.end = full.end = 16 * MiB
  bodies.review(48 * MiB, false)
  assert.equal(connections[0].left, 0, 'there is no request for the rest')
  bodies.review(48 * MiB, true)
  assert.deepEqual(
    connections.map(({ left }) => left),
    [1, 0, 0],
  )
})
