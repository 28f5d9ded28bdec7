import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  anotherConnection,
  backoff,
  type FillProgress,
  worthFinishing,
} from '../../src/download/download-policy.ts'

const MiB = 1024 * 1024
const policy = {
  connections: 4,
  segmentAbove: 32 * MiB,
  finishFrom: 0.25,
  finishBelow: 64 * MiB,
  retryDelay: 400,
}

test('F43 a transfer that nobody follows is finished from a quarter on, or when little is missing', () => {
  const table: [filled: number, size: number | undefined, expected: boolean][] = [
    [0, undefined, false],
    [0, 10 * MiB, true],
    [0, 64 * MiB, false],
    [1, 64 * MiB, true],
    [100 * MiB, 512 * MiB, false],
    [128 * MiB, 512 * MiB, true],
  ]
  for (const [filled, size, expected] of table) assert.equal(worthFinishing(policy, filled, size), expected)
})

test('a further connection is opened only for who waits long', () => {
  const state = {
    size: 512 * MiB,
    filled: 0,
    rate: 20 * MiB,
    connections: 1,
    isBusy: false,
    ahead: undefined,
  }
  const table: [change: Partial<FillProgress>, expected: string | undefined][] = [
    [{}, 'speed'],
    [{ rate: 1000 * MiB }, undefined],
    [{ filled: 500 * MiB }, undefined],
    [{ size: 31 * MiB, rate: 1 * MiB }, undefined],
    [{ connections: 4 }, undefined],
    [{ isBusy: true }, undefined],
    [{ ahead: 100 * MiB }, 'reader'],
    [{ size: 31 * MiB, rate: 1 * MiB, ahead: 20 * MiB }, 'reader'],
    [{ rate: 1000 * MiB, ahead: 100 * MiB }, undefined],
  ]
  for (const [change, expected] of table) {
    assert.equal(anotherConnection(policy, { ...state, ...change }), expected, JSON.stringify(change))
  }
})

test('attempts back off by three, within a half of the nominal wait', () => {
  assert.deepEqual(
    [1, 2, 3].map((failures) => backoff(policy, failures, 0.5)),
    [400, 1200, 3600],
  )
  assert.deepEqual(
    [0, 1].map((random) => backoff(policy, 1, random)),
    [200, 600],
  )
})
