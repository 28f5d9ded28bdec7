import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { suite, test, type TestContext } from 'node:test'
import { cron } from '../../src/compose/cron.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const YEAR = 365 * 24 * 60 * MINUTE
const START = Date.UTC(2026, 10, 26, 12, 1, 30)

/** A task that is due every five minutes, at a wall clock that the test sets. Timers have a clock of their own. */
function rig(t: TestContext, task?: () => Promise<void>) {
  const clock = { wall: START }
  t.mock.timers.enable({ apis: ['setTimeout'] })
  setDate(t, () => clock.wall)
  const runs: number[] = []
  const scheduled = cron('*/5 * * * *', async () => {
    runs.push((clock.wall - START) / MINUTE)
    await task?.()
  })
  const pass = async (minutes: number): Promise<void> => {
    for (let left = minutes * MINUTE; left > 0; left -= SECOND) {
      clock.wall += SECOND
      t.mock.timers.tick(SECOND)
      await nextTurn()
    }
  }
  return { scheduled, runs, pass, clock }
}

/** The mock of node:test has one clock for dates and timers. */
function setDate(t: TestContext, now: () => number): void {
  const real = globalThis.Date
  t.after(() => void (globalThis.Date = real))
  globalThis.Date = new Proxy(real, {
    construct: (target, args: unknown[], newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as Date,
    get: (target, key) => (key === 'now' ? now : (Reflect.get(target, key) as unknown)),
  })
}

suite('what is done by the clock', () => {
  test('runs when the expression says', async (t) => {
    const { scheduled, runs, pass } = rig(t)
    await pass(3.4)
    assert.deepEqual(runs, [])
    await pass(10)
    assert.deepEqual(runs, [3.5, 8.5])
    await scheduled[Symbol.asyncDispose]()
    await pass(10)
    assert.equal(runs.length, 2)
  })

  test('FR-33: is done once after a sleep, or when the clock was 56 years late, and then goes on', async (t) => {
    const { scheduled, runs, pass, clock } = rig(t)
    await using _ = scheduled
    clock.wall += 56 * YEAR
    await pass(1)
    assert.equal(runs.length, 1)
    await pass(10)
    assert.equal(runs.length, 3)
  })

  test('FR-33: goes on every five minutes when the clock was set back by years', async (t) => {
    const { scheduled, runs, pass, clock } = rig(t)
    await using _ = scheduled
    await pass(4)
    assert.deepEqual(runs, [3.5])
    clock.wall -= 3 * YEAR
    await pass(10)
    assert.equal(runs.length, 3)
  })

  test('does not overlap, and is waited for at the end', async (t) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { scheduled, runs, pass } = rig(t, () => promise)
    await pass(20)
    assert.equal(runs.length, 1)
    let isOver = false
    const ending = scheduled[Symbol.asyncDispose]().then(() => (isOver = true))
    await nextTurn()
    assert.equal(isOver, false)
    resolve()
    await ending
  })
})
