import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RegistryError } from '../../src/oci/errors.ts'
import {
  afterFailure,
  backoff,
  type FailedAttempt,
  type FetchState,
  nextAction,
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
  const state: FetchState = {
    size: 512 * MiB,
    filled: 0,
    rate: 20 * MiB,
    fastest: 20 * MiB,
    connections: 1,
    allowed: 4,
    isBusy: false,
    waiting: [],
  }
  const ahead = (bytes: number) => ({ waiting: [{ position: 7, ahead: bytes }] })
  const table: [change: Partial<FetchState>, expected: ReturnType<typeof nextAction>][] = [
    [{}, 'openNext'],
    [{ rate: 1100 * MiB }, undefined],
    [{ fastest: 125_000_000 }, undefined],
    [{ filled: 506 * MiB }, undefined],
    [{ size: 31 * MiB, rate: 1 * MiB }, undefined],
    [{ connections: 4 }, undefined],
    [{ connections: 2, allowed: 2 }, undefined],
    [{ isBusy: true }, undefined],
    [ahead(100 * MiB), { openAt: 7 }],
    [{ ...ahead(100 * MiB), isBusy: true }, { openAt: 7 }],
    [ahead(0), 'openNext'],
    [{ size: 31 * MiB, rate: 1 * MiB, ...ahead(20 * MiB) }, { openAt: 7 }],
    [{ rate: 2000 * MiB, ...ahead(100 * MiB) }, undefined],
  ]
  for (const [change, expected] of table) {
    assert.deepEqual(nextAction(policy, { ...state, ...change }), expected, JSON.stringify(change))
  }
})

test('after a failure a download stops, goes on elsewhere or waits, by what failed and how often', () => {
  const attempt: FailedAttempt = {
    error: new RegistryError('UPSTREAM_TIMEOUT'),
    failures: 1,
    isConfirmed: true,
    lostRanges: false,
    connections: 1,
  }
  const wrong = { error: new RegistryError('UPSTREAM_INVALID') }
  const table: [change: Partial<FailedAttempt>, expected: ReturnType<typeof afterFailure>][] = [
    [{}, { retryIn: 400 }],
    [{ failures: 3 }, { retryIn: 3600 }],
    [{ failures: 4 }, 'stop'],
    [{ connections: 2 }, 'leave'],
    [{ connections: 2, failures: 9 }, 'leave'],
    [wrong, 'stop'],
    [{ ...wrong, connections: 2 }, 'stop'],
    [{ ...wrong, lostRanges: true }, { retryIn: 400 }],
    [{ error: new Error('disk') }, 'stop'],
    [{ isConfirmed: false }, 'stop'],
    [{ isConfirmed: false, error: new RegistryError('UPSTREAM_UNAVAILABLE') }, { retryIn: 100 }],
    [{ isConfirmed: false, error: new RegistryError('UPSTREAM_UNAVAILABLE'), failures: 2 }, 'stop'],
    [{ isConfirmed: false, error: new RegistryError('UPSTREAM_LIMITED') }, 'stop'],
  ]
  for (const [change, expected] of table) {
    assert.deepEqual(afterFailure(policy, { ...attempt, ...change }, 0.5), expected, JSON.stringify(change))
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
