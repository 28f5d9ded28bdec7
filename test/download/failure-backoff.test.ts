import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failureBackoff } from '../../src/download/failure-backoff.ts'

test('two failures in a row are backed off from for ten seconds, and a success forgets them', () => {
  let now = 0
  const backoff = failureBackoff(() => now)
  backoff.failed('a')
  assert.ok(!backoff.isBackingOff('a'))
  backoff.failed('a')
  assert.ok(backoff.isBackingOff('a'))
  assert.ok(!backoff.isBackingOff('b'))
  now = 10_000
  assert.ok(!backoff.isBackingOff('a'))
  backoff.failed('a')
  assert.ok(backoff.isBackingOff('a'))
  backoff.succeeded('a')
  backoff.failed('a')
  assert.ok(!backoff.isBackingOff('a'))
  now += 60_001
  backoff.failed('b')
  backoff.failed('a')
  assert.ok(!backoff.isBackingOff('a'))
})
