import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sharedScarcity } from '../../src/cluster/shared-scarcity.ts'
import type { Upstream, UpstreamRepository } from '../../src/ports/upstream.ts'

const upstream: Upstream = {
  name: 'docker.io',
  isNearlyExhausted: false,
  repository: () => ({ isNearlyExhausted: false }) as UpstreamRepository,
}

test('what one replica is told of a rate limit holds for the others, until it is told otherwise or for a minute', () => {
  let now = 0
  const other = sharedScarcity({ tell: () => assert.fail('tells what it heard'), now: () => now })
  const told: string[] = []
  const one = sharedScarcity({
    tell(name, duration) {
      told.push(`${name} ${duration}`)
      other.heard(name, duration)
    },
    now: () => now,
  })
  const seen = other.over(upstream)
  const repository = seen.repository('library/a')
  const isScarce = () => seen.isNearlyExhausted && repository.isNearlyExhausted
  one.rateLimit('docker.io', 50, { isNearlyExhausted: false })
  assert.equal(isScarce(), false)
  for (now = 0; now < 45_000; now += 1_000) one.rateLimit('docker.io', 5, { isNearlyExhausted: true })
  assert.deepEqual(told, ['docker.io 60000', 'docker.io 60000', 'docker.io 60000'])
  assert.equal(isScarce(), true)
  assert.equal(other.over({ ...upstream, name: 'ghcr.io' }).isNearlyExhausted, false)
  one.rateLimit('docker.io', 100, { isNearlyExhausted: false })
  assert.equal(isScarce(), false)
  one.rateLimit('docker.io', 5, { isNearlyExhausted: true })
  now += 59_999
  assert.equal(isScarce(), true)
  now += 1
  assert.equal(isScarce(), false)
})

test('an upstream that refuses one replica for a while has little left for the others', () => {
  let now = 0
  const told: string[] = []
  const one = sharedScarcity({ tell: (name, duration) => told.push(`${name} ${duration}`), now: () => now })
  one.circuit('docker.io', 'out', { retryAfter: 5 })
  one.circuit('docker.io', 'limited', { retryAfter: 5 })
  one.circuit('ghcr.io', 'limited', {})
  now += 30_000
  one.circuit('ghcr.io', 'limited', { retryAfter: 3_600 })
  assert.deepEqual(told, ['docker.io 5000', 'ghcr.io 60000', 'ghcr.io 60000'])
})
