import assert from 'node:assert/strict'
import { test } from 'node:test'
import { throttle } from '../../src/util/async/throttle.ts'

test('the first call is made at once, those within the interval become one at its end', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let calls = 0
  const call = throttle(5, 100, () => void (calls += 1))
  call(1)
  assert.equal(calls, 1)
  for (let i = 0; i < 10; i++) call(1)
  assert.equal(calls, 1)
  t.mock.timers.tick(5)
  assert.equal(calls, 2)
  call(1)
  t.mock.timers.tick(5)
  assert.equal(calls, 3)
  t.mock.timers.tick(100)
  assert.equal(calls, 3)
  call(1)
  assert.equal(calls, 4)
})

test('enough is not kept waiting, and begins the interval anew', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let calls = 0
  const call = throttle(5, 100, () => void (calls += 1))
  call(1)
  t.mock.timers.tick(4)
  call(60)
  call(40)
  assert.equal(calls, 2)
  call(99)
  t.mock.timers.tick(4)
  assert.equal(calls, 2)
  t.mock.timers.tick(1)
  assert.equal(calls, 3)
})
