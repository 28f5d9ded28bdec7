import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecentBytes } from '../../src/download/fetch/recent-bytes.ts'
import { sharedPiece, usesOf } from '../../src/util/shared-piece.ts'

test('of each connection the bytes written last can be read, from any of them on', () => {
  const recent = new RecentBytes()
  const [one, two] = [{}, {}]
  const buffer = Buffer.alloc(4)
  recent.hold(one, Buffer.from('abcdef'), 100)
  recent.hold(two, Buffer.from('uvwxyz'), 1000)
  assert.equal(recent.read(buffer, 101), 4)
  assert.equal(String(buffer), 'bcde')
  assert.equal(recent.read(buffer, 1004), 2)
  assert.equal(String(buffer.subarray(0, 2)), 'yz')
  for (const position of [99, 106, 999, 1006]) assert.equal(recent.read(buffer, position), 0)
  recent.hold(one, Buffer.from('ghi'), 106)
  assert.equal(recent.read(buffer, 101), 0)
  assert.equal(recent.read(buffer, 106), 3)
  recent.release(one)
  assert.equal(recent.read(buffer, 106), 0)
  assert.equal(recent.read(buffer, 1000), 4)
})

test('two pieces of shared memory are held, in use until one is replaced and what was lent of it is back', () => {
  const recent = new RecentBytes()
  const connection = {}
  const [one, two, three] = Array.from({ length: 3 }, () => sharedPiece(8)) as [Buffer, Buffer, Buffer]
  const uses = (piece: Buffer): number => Atomics.load(usesOf(piece)!, 0)
  one.write('abcdefgh')
  two.write('ijklmnop')
  recent.hold(connection, one, 100)
  recent.hold(connection, two, 108)
  const lent = [recent.lend(102, 105)!, recent.lend(106, 1000)!, recent.lend(108, 1000)!]
  assert.deepEqual(
    lent.map(({ bytes }) => String(bytes)),
    ['cde', 'gh', 'ijklmnop'],
  )
  for (const position of [99, 116]) assert.equal(recent.lend(position, 1000), undefined)
  assert.deepEqual([one, two].map(uses), [3, 2])
  recent.hold(connection, three, 116)
  assert.deepEqual([one, two, three].map(uses), [2, 2, 1])
  assert.equal(recent.lend(100, 108), undefined)
  for (const { giveBack } of lent) giveBack()
  assert.deepEqual([one, two, three].map(uses), [0, 1, 1])
  recent.release(connection)
  assert.deepEqual([one, two, three].map(uses), [0, 0, 0])
  recent.hold({}, one, 0)
  recent.hold({}, two, 8)
  recent.clear()
  assert.deepEqual([one, two].map(uses), [0, 0])
  assert.equal(recent.read(Buffer.alloc(1), 8), 0)
})

test('bytes that are in memory of their own are not lent', () => {
  const recent = new RecentBytes()
  recent.hold({}, Buffer.from('abc'), 0)
  assert.equal(recent.lend(0, 3), undefined)
  assert.equal(recent.read(Buffer.alloc(3), 0), 3)
})
