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
