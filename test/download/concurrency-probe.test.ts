import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConnectionTrials } from '../../src/download/concurrency-probe.ts'

test('a connection that makes the whole faster leaves room for the next', () => {
  const trials = new ConnectionTrials(4)
  trials.begin(100, 2, 10)
  trials.judge(150, 2, 13)
  assert.ok(trials.isRunning)
  trials.judge(150, 2, 14)
  assert.ok(!trials.isRunning)
  assert.equal(trials.allowed, 4)
})

test('one that does not is the last for a while, for longer each time', () => {
  const trials = new ConnectionTrials(4)
  trials.begin(100, 2, 0)
  trials.judge(105, 2, 4)
  assert.equal(trials.allowed, 1)
  trials.judge(100, 1, 53)
  assert.equal(trials.allowed, 1)
  trials.judge(100, 1, 54)
  assert.equal(trials.allowed, 2)
  trials.limit(1, 60)
  trials.judge(100, 1, 159)
  assert.equal(trials.allowed, 1)
  trials.judge(100, 1, 160)
  assert.equal(trials.allowed, 2)
})

test('nothing is concluded when connections came or went meanwhile', () => {
  const trials = new ConnectionTrials(4)
  trials.begin(100, 3, 0)
  trials.judge(10, 2, 4)
  assert.equal(trials.allowed, 4)
  assert.ok(!trials.isRunning)
})
