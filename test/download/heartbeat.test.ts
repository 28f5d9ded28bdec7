import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BEAT, Heartbeat } from '../../src/download/heartbeat.ts'

test('one timer beats for all members, and stops with the last', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const heartbeat = new Heartbeat()
  const beats = { one: 0, two: 0 }
  const one = heartbeat.add({ beat: () => void beats.one++ })
  t.mock.timers.tick(BEAT)
  const two = heartbeat.add({ beat: () => void beats.two++ })
  t.mock.timers.tick(BEAT)
  assert.deepEqual(beats, { one: 2, two: 1 })
  one[Symbol.dispose]()
  t.mock.timers.tick(BEAT)
  two[Symbol.dispose]()
  t.mock.timers.tick(10 * BEAT)
  assert.deepEqual(beats, { one: 2, two: 2 })
  using _again = heartbeat.add({ beat: () => void beats.one++ })
  t.mock.timers.tick(BEAT)
  assert.equal(beats.one, 3)
})
