import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { wallClock } from '../../src/util/wall-clock.ts'

const DAY = 86_400_000
const START = 1_800_000_000_000

/** A machine with both clocks in hand. */
function machine() {
  const steps: number[] = []
  const at = { wall: START, monotonic: 5_000 }
  const now = wallClock({
    wall: () => at.wall,
    monotonic: () => at.monotonic,
    stepped: (milliseconds) => steps.push(milliseconds),
  })
  return {
    steps,
    now,
    set: (milliseconds: number) => void (at.wall += milliseconds),
    /** The monotonic clock stands still. */
    sleep: (milliseconds: number) => void (at.wall += milliseconds),
    /** Somebody asks every second. */
    run(milliseconds: number) {
      for (let left = milliseconds; left > 0; left -= 1_000) {
        at.wall += Math.min(1_000, left)
        at.monotonic += Math.min(1_000, left)
        now()
      }
    },
  }
}

suite('FR-33: the wall clock is followed when it has moved and stayed', () => {
  for (const [what, step] of [
    ['forwards', 10 * DAY],
    ['backwards', -10 * DAY],
    ['by NTP, by two seconds', 2_000],
  ] as const) {
    test(what, () => {
      const { now, set, run, steps } = machine()
      run(1_000)
      const before = now()
      set(step)
      assert.equal(now(), before)
      run(59_000)
      assert.equal(now(), before + 59_000)
      run(3_000)
      assert.equal(now(), before + 62_000 + step)
      assert.deepEqual(steps, [step])
    })
  }

  test('after a sleep', () => {
    const { now, sleep, run, steps } = machine()
    const before = now()
    sleep(8 * DAY)
    run(62_000)
    assert.equal(now(), before + 62_000 + 8 * DAY)
    assert.deepEqual(steps, [8 * DAY])
  })

  test('not when it is set wrong and right again, and not by less than a second', () => {
    const { now, set, run, steps } = machine()
    const before = now()
    set(DAY)
    run(30_000)
    set(-2 * DAY)
    run(30_000)
    set(DAY)
    run(120_000)
    set(900)
    run(120_000)
    assert.equal(now(), before + 300_000)
    assert.deepEqual(steps, [])
  })
})
