import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BEAT, Heartbeat } from '../../src/download/heartbeat.ts'
import { RateMeter } from '../../src/download/fetch/rate-meter.ts'

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

test('a rate is that of the last whole ticks', () => {
  const meter = new RateMeter(100)
  meter.add(5_000)
  meter.tick(1)
  assert.equal(meter.rate, 0)
  assert.equal(meter.age, 0)
  for (const bytes of [100, 200, 300, 400, 500]) {
    meter.add(bytes)
    meter.tick(1)
  }
  assert.equal(meter.rate, 3_500)
  assert.equal(meter.age, 5)
})
