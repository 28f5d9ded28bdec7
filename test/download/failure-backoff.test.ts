import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failureBackoff } from '../../src/download/failure-backoff.ts'

test('two failures in a row are backed off from for ten seconds, and a success forgets them', () => {
  let now = 1_000
  const backoff = failureBackoff(() => now)
  backoff.failed('a')
  assert.ok(!backoff.isBackingOff('a'))
  backoff.failed('a')
  assert.ok(backoff.isBackingOff('a'))
  assert.ok(!backoff.isBackingOff('b'))
  now += 10_000
  assert.ok(!backoff.isBackingOff('a'))
  backoff.failed('a')
  assert.ok(backoff.isBackingOff('a'))
  backoff.succeeded('a')
  backoff.failed('a')
  assert.ok(!backoff.isBackingOff('a'))
  now += 60_001
  backoff.failed('a')
  assert.ok(!backoff.isBackingOff('a'))
})

test('no more than ten thousand failures are remembered', () => {
  const backoff = failureBackoff(() => 1_000)
  for (const _ of [1, 2]) backoff.failed('first')
  assert.ok(backoff.isBackingOff('first'))
  for (let key = 0; key < 10_000; key++) backoff.failed(`${key}`)
  assert.ok(!backoff.isBackingOff('first'))
})
