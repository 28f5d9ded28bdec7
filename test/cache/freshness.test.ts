import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { freshnessOf } from '../../src/cache/tags/freshness.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const policy = {
  rules: [
    { match: /^v?\d+\.\d+(\.\d+)?([-+].*)?$/, fresh: HOUR },
    { match: /.*/, fresh: MINUTE },
  ],
  staleIfError: 24 * HOUR,
}
const now = 1_800_000_000_000
const digest = digestOf(Buffer.from('manifest'))

test('how long a tag is served without asking, and how long in an outage', () => {
  const table: [tag: string, age: number, state: string, ttl: number][] = [
    ['latest', 0, 'fresh', 60],
    ['latest', 59_000, 'fresh', 1],
    ['latest', 59_999, 'fresh', 1],
    ['latest', MINUTE, 'stale', 0],
    ['latest', MINUTE + 24 * HOUR, 'stale', -86_400],
    ['latest', MINUTE + 24 * HOUR + 1, 'expired', -86_400],
    ['1.27', 59 * MINUTE, 'fresh', 60],
    ['v1.27.3-alpine', 59 * MINUTE, 'fresh', 60],
    ['1.27', HOUR, 'stale', 0],
    ['1', 2 * MINUTE, 'stale', -60],
    ['latest', -5 * MINUTE, 'stale', 0],
  ]
  for (const [tag, age, state, ttl] of table) {
    const freshness = freshnessOf('docker.io', tag, { digest, checkedAt: now - age }, now, policy)
    assert.deepEqual({ ...freshness, ttl: freshness.ttl + 0 }, { state, ttl }, `${tag} checked ${age} ms ago`)
  }
})

test('a tag that no rule matches is always revalidated', () => {
  const none = { rules: [], staleIfError: HOUR }
  assert.equal(freshnessOf('docker.io', 'latest', { digest, checkedAt: now }, now, none).state, 'stale')
})

test('while upstream will soon answer no more, tags stay fresh ten times as long', () => {
  const entry = { digest, checkedAt: now - 5 * MINUTE }
  assert.equal(freshnessOf('docker.io', 'latest', entry, now, policy).state, 'stale')
  assert.deepEqual(freshnessOf('docker.io', 'latest', entry, now, policy, true), { state: 'fresh', ttl: 300 })
})
