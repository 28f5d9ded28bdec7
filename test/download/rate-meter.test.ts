import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RateMeter } from '../../src/download/fetch/rate-meter.ts'

const PERIOD = 100
/** What upstream sends in a period. */
const USUAL = 25_000

/** A meter whose first tick comes `first` milliseconds after its beginning. */
function meterWith({ first = 60 } = {}) {
  let time = 1_000
  const meter = new RateMeter(PERIOD, () => time)
  return {
    meter,
    /** Begins, unless it has, and brings so many bytes in each period. */
    run(counts: readonly number[], connections = 1) {
      meter.begin()
      for (const bytes of counts) {
        time += meter.sustained === 0 ? first : PERIOD
        meter.add(bytes)
        meter.tick(connections)
      }
    },
  }
}

test('the rate of the moment is that of the last four whole ticks', () => {
  const { meter, run } = meterWith()
  run([5_000])
  assert.equal(meter.rate, 0)
  assert.equal(meter.age, 0)
  run([100, 200, 300, 400, 500])
  assert.equal(meter.rate, 3_500)
  assert.equal(meter.age, 5)
})

test('nothing is measured before the first answer, however long it takes', () => {
  const { meter, run } = meterWith()
  for (let tick = 0; tick < 30; tick++) meter.tick(1)
  assert.deepEqual([meter.age, meter.rate, meter.sustained], [0, 0, 0])
  run([0.6 * USUAL, USUAL, USUAL])
  assert.deepEqual([meter.age, meter.rate, meter.sustained], [2, 10 * USUAL, 10 * USUAL])
})

test('what had waited at first while the process was slow makes upstream no faster', () => {
  const { meter, run } = meterWith()
  // 0.5 periods late: of 0.6 + 1 periods, so much came in the second.
  run([0.1 * USUAL, 1.5 * USUAL, USUAL])
  assert.equal(meter.rate, 12.5 * USUAL)
  assert.equal(Math.round(meter.sustained), 10 * USUAL)
})

test('a moment in which the process was held, and its end, do not count as the rate of upstream', () => {
  const { meter, run } = meterWith()
  run([0.6 * USUAL, ...Array<number>(10).fill(USUAL), 0, 0, 0, 4 * USUAL])
  assert.equal(Math.round(meter.sustained), 10 * USUAL)
  run([USUAL])
  assert.equal(meter.rate, 12.5 * USUAL)
  assert.equal(Math.round(meter.sustained), 10 * USUAL)
})

test('a fast connection counts as one for two seconds after the machine became busy', () => {
  const { meter, run } = meterWith()
  run([4 * USUAL, ...Array<number>(20).fill(4 * USUAL)])
  run(Array<number>(4).fill(0))
  assert.equal(meter.rate, 0)
  assert.equal(meter.sustained, 32 * USUAL)
  run(Array<number>(16).fill(0))
  assert.equal(meter.sustained, 0)
})

test('each connection has its share of the sustained rate, and all have the moment', () => {
  const { meter, run } = meterWith()
  run([0.6 * USUAL, ...Array<number>(5).fill(USUAL)])
  run(Array<number>(5).fill(2 * USUAL), 2)
  assert.equal(meter.rate, 20 * USUAL)
  assert.equal(meter.sustained, 10 * USUAL)
})
