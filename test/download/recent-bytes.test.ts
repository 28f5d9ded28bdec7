import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecentBytes } from '../../src/download/recent-bytes.ts'

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
