import assert from 'node:assert/strict'
import { test } from 'node:test'
import { yieldEvery } from '../../src/util/async/yield-every.ts'

test('long work lets the event loop turn, short work does not', async () => {
  let turns = 0
  let counting = setImmediate(count)
  function count(): void {
    turns += 1
    counting = setImmediate(count)
  }
  try {
    const short = yieldEvery(60_000)
    for (let step = 0; step < 100; step++) await short()
    assert.equal(turns, 0)

    const long = yieldEvery(0)
    for (let step = 0; step < 10; step++) await long()
    assert.ok(turns >= 10, `${turns}`)
  } finally {
    clearImmediate(counting)
  }
})

test('SEC-73: of many long tasks, each turn of the event loop goes on with one', async () => {
  const steps = { inTurn: 0, most: 0, all: 0 }
  let isOver = false
  const count = (): void => {
    steps.most = Math.max(steps.most, steps.inTurn)
    steps.inTurn = 0
    if (!isOver) setImmediate(count)
  }
  const task = async (): Promise<void> => {
    const pause = yieldEvery(0)
    for (let step = 0; step < 10; step++) {
      await pause()
      steps.inTurn += 1
      steps.all += 1
    }
  }
  const tasks = Array.from({ length: 20 }, task)
  setImmediate(count)
  await Promise.all(tasks)
  isOver = true
  assert.deepEqual([steps.most, steps.all], [1, 200])
})
