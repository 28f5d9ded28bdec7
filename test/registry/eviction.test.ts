import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { planEviction } from '../../src/registry/eviction.ts'

const now = 1_800_000_000_000
const DAY = 86_400_000
const policy = { ttl: 7 * DAY, maxSize: 1000, minFree: 100 }
const item = (name: string, size: number, idleDays: number) => ({
  digest: digestOf(Buffer.from(name)),
  size,
  lastUsed: now - idleDays * DAY,
})
const oldest = [item('a', 300, 9), item('b', 300, 8), item('c', 300, 3), item('d', 300, 1)]
const usage = (bytes: number, freeBytes = 1_000_000) => ({ objects: oldest.length, bytes, freeBytes })
const reasons = (...args: Parameters<typeof planEviction>) =>
  planEviction(...args).map(({ reason }) => reason)

test('what nobody used within the ttl goes, and nothing else while there is room', () => {
  assert.deepEqual(reasons(oldest, usage(900), policy, now), ['ttl', 'ttl'])
  assert.deepEqual(reasons(oldest.slice(2), usage(600), policy, now), [])
})

test('over the quota the least recently used go, down to the low watermark', () => {
  assert.deepEqual(reasons(oldest.slice(2), usage(1001), policy, now), ['quota'])
  assert.deepEqual(reasons(oldest.slice(2), usage(1300), policy, now), ['quota', 'quota'])
  assert.deepEqual(reasons(oldest.slice(2), usage(800), policy, now, 300), ['quota'])
})

test('under minFree content goes although the quota is kept', () => {
  assert.deepEqual(reasons(oldest.slice(2), usage(600, 50), policy, now), ['quota'])
  assert.deepEqual(reasons(oldest.slice(2), usage(600, 100), policy, now), [])
})

test('F82 content last used in the future has not expired', () => {
  assert.deepEqual(reasons([item('x', 10, -30)], usage(10), policy, now), [])
})
