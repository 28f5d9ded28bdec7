import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RegistryError } from '../../src/oci/errors.ts'
import {
  afterFailure,
  backoff,
  type DownloadState,
  type FailedAttempt,
  type FetchState,
  givesUp,
  nextAction,
} from '../../src/download/download-policy.ts'
import { Pace } from '../../src/download/pace.ts'

const MiB = 1024 * 1024
const policy = {
  connections: 4,
  segmentAbove: 32 * MiB,
  finishFrom: 0.25,
  finishBelow: 64 * MiB,
  retryDelay: 400,
}

const running: DownloadState = {
  filled: 0,
  size: 512 * MiB,
  readers: 0,
  isPlaceWanted: false,
  pace: { seconds: 0, bytesPerSecond: 0 },
}

test('F43 a download without readers is finished from a quarter on, or when little is missing', () => {
  const table: [filled: number, size: number | undefined, isFinished: boolean][] = [
    [0, undefined, false],
    [0, 10 * MiB, true],
    [0, 64 * MiB, false],
    [1, 64 * MiB, true],
    [100 * MiB, 512 * MiB, false],
    [128 * MiB, 512 * MiB, true],
  ]
  for (const [filled, size, isFinished] of table) {
    assert.equal(givesUp(policy, { ...running, filled, size }), isFinished ? undefined : 'unread')
    assert.equal(givesUp(policy, { ...running, filled, size, readers: 1 }), undefined)
  }
})

test('SEC-80: a download without readers is finished only when it will be soon', () => {
  const state = { ...running, filled: 480 * MiB }
  const table: [pace: DownloadState['pace'], expected: ReturnType<typeof givesUp>][] = [
    [{ seconds: 5, bytesPerSecond: MiB }, undefined],
    [{ seconds: 5, bytesPerSecond: 0.5 * MiB }, 'unread'],
    [{ seconds: 4, bytesPerSecond: 0 }, undefined],
    [{ seconds: 30, bytesPerSecond: 1 }, 'unread'],
  ]
  for (const [pace, expected] of table) assert.equal(givesUp(policy, { ...state, pace }), expected)
})

test('SEC-80 F34: a slow download goes on until others wait for its place', () => {
  const state = { ...running, readers: 1 }
  const slow = { seconds: 30, bytesPerSecond: 1023 }
  const table: [change: Partial<DownloadState>, expected: ReturnType<typeof givesUp>][] = [
    [{ pace: slow }, undefined],
    [{ pace: slow, isPlaceWanted: true }, 'too slow'],
    [{ pace: { ...slow, seconds: 29 }, isPlaceWanted: true }, undefined],
    [{ pace: { ...slow, bytesPerSecond: 1024 }, isPlaceWanted: true }, undefined],
  ]
  for (const [change, expected] of table) assert.equal(givesUp(policy, { ...state, ...change }), expected)
})

test('a pace is that of the last half minute', () => {
  const pace = new Pace()
  const run = (seconds: number, perSecond: number) => {
    for (let beat = 0; beat < 10 * seconds; beat += 1) pace.beat((bytes += perSecond / 10))
  }
  let bytes = 0
  run(1, 100)
  assert.deepEqual([pace.seconds, pace.bytesPerSecond], [0, 0])
  run(10, 100)
  assert.deepEqual([pace.seconds, Math.round(pace.bytesPerSecond)], [10, 100])
  run(60, 5)
  assert.deepEqual([pace.seconds, Math.round(pace.bytesPerSecond)], [30, 5])
})

test('a further connection is opened only for who waits long', () => {
  const state: FetchState = {
    size: 512 * MiB,
    filled: 0,
    rate: 20 * MiB,
    fastest: 20 * MiB,
    connections: 1,
    allowed: 4,
    isDry: true,
    isBusy: false,
    waiting: [],
  }
  const ahead = (bytes: number) => ({ waiting: [{ position: 7, ahead: bytes }] })
  const table: [change: Partial<FetchState>, expected: ReturnType<typeof nextAction>][] = [
    [{}, 'openNext'],
    [{ rate: 1100 * MiB }, undefined],
    [{ fastest: 250_000_000 }, 'openNext'],
    [{ connections: 2, rate: 400_000_000, fastest: 200_000_000 }, undefined],
    [{ fastest: 300_000_000 }, undefined],
    [{ filled: 506 * MiB }, undefined],
    [{ size: 31 * MiB, rate: 1 * MiB }, undefined],
    [{ connections: 4 }, undefined],
    [{ connections: 2, allowed: 2 }, undefined],
    [{ isBusy: true }, undefined],
    [{ isDry: false }, undefined],
    [{ fastest: 700_000_000 }, undefined],
    [{ rate: 300_000_000 }, undefined],
    [ahead(100 * MiB), { openAt: 7 }],
    [{ ...ahead(100 * MiB), isBusy: true }, { openAt: 7 }],
    [{ ...ahead(100 * MiB), isDry: false }, { openAt: 7 }],
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
    [{ ...wrong, lostRanges: true, isConfirmed: false, failures: 2 }, { retryIn: 300 }],
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
