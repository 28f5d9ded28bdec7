import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConcurrencyProbe } from '../../src/download/fetch/concurrency-probe.ts'

test('a connection that makes the whole faster leaves room for the next', () => {
  const probe = new ConcurrencyProbe(4)
  probe.begin(100, 2, 10)
  probe.judge(150, 2, 13)
  assert.ok(probe.isRunning)
  probe.judge(150, 2, 14)
  assert.ok(!probe.isRunning)
  assert.equal(probe.allowed, 4)
})

test('one that does not is the last for a while, for longer each time', () => {
  const probe = new ConcurrencyProbe(4)
  probe.begin(100, 2, 0)
  probe.judge(105, 2, 4)
  probe.judge(105, 2, 8)
  assert.equal(probe.allowed, 1)
  probe.judge(100, 1, 57)
  assert.equal(probe.allowed, 1)
  probe.judge(100, 1, 58)
  assert.equal(probe.allowed, 2)
  probe.limit(1, 60)
  probe.judge(100, 1, 159)
  assert.equal(probe.allowed, 1)
  probe.judge(100, 1, 160)
  assert.equal(probe.allowed, 2)
})

test('one that has shown no effect yet has as long again', () => {
  const probe = new ConcurrencyProbe(4)
  probe.begin(100, 2, 0)
  for (const tick of [4, 5, 7]) {
    probe.judge(90, 2, tick)
    assert.ok(probe.isRunning)
  }
  probe.judge(150, 2, 8)
  assert.equal(probe.allowed, 4)
  assert.ok(!probe.isRunning)
})

test('nothing is concluded when connections came or went meanwhile', () => {
  const probe = new ConcurrencyProbe(4)
  probe.begin(100, 3, 0)
  probe.judge(10, 2, 4)
  assert.equal(probe.allowed, 4)
  assert.ok(!probe.isRunning)
})
