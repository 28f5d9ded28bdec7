import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RateMeter } from '../../src/download/fetch/rate-meter.ts'

const PERIOD = 100
/** Milliseconds from the beginning to the first tick. */
const FIRST = 60
/** Bytes that upstream sends in a period, and in a second. */
const USUAL = 25_000
const RATE = 10 * USUAL

function meterAtWork() {
  let time = 1_000
  let ticks = 0
  const meter = new RateMeter(PERIOD, () => time)
  return {
    meter,
    /** Ticks, each after so many periods' worth of bytes. */
    run(shares: readonly number[], connections = 1) {
      meter.begin()
      for (const share of shares) {
        time += ticks++ === 0 ? FIRST : PERIOD
        meter.add(share * USUAL)
        meter.tick(connections)
      }
    },
  }
}

const times = (count: number, share: number) => Array<number>(count).fill(share)

test('a rate is that of the last whole ticks', () => {
  const meter = new RateMeter(PERIOD)
  meter.begin()
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

test('nothing is measured before the first answer, however long that takes', () => {
  const { meter, run } = meterAtWork()
  for (let tick = 0; tick < 30; tick++) meter.tick(1)
  assert.deepEqual([meter.age, meter.rate, meter.fastest], [0, 0, 0])
  run([0.6, 1, 1])
  assert.deepEqual([meter.age, meter.rate, meter.fastest], [2, RATE, RATE])
})

test('what had waited while the process was slow to begin makes upstream no faster, then or later', () => {
  const { meter, run } = meterAtWork()
  for (const share of [0.1, 1.5, ...times(10, 1)]) {
    run([share])
    assert.ok(meter.fastest <= RATE, `${meter.fastest} at ${meter.age}`)
  }
  assert.equal(meter.fastest, RATE)
})

test('nor does a burst that upstream allows at the beginning', () => {
  const { meter, run } = meterAtWork()
  run([8, ...times(5, 0.1)])
  assert.ok(meter.fastest < 1.6 * RATE)
  run(times(20, 0.1))
  assert.equal(Math.round(meter.fastest), RATE / 10)
})

test('a fast connection counts as one for two seconds after it became slow', () => {
  const { meter, run } = meterAtWork()
  run([2.4, ...times(20, 4)])
  run(times(4, 0.2))
  assert.equal(meter.rate, 0.2 * RATE)
  assert.equal(meter.fastest, 4 * RATE)
  run(times(20, 0.2))
  assert.equal(Math.round(meter.fastest), 0.2 * RATE)
})

test('each connection has its share of what all have', () => {
  const { meter, run } = meterAtWork()
  run([0.6, 1, 1])
  run(times(10, 2), 2)
  assert.equal(meter.rate, 2 * RATE)
  assert.equal(meter.fastest, RATE)
})
