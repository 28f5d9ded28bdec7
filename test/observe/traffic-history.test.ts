import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { trafficHistory } from '../../src/observe/traffic-history.ts'

const NOTHING = { requests: 0, hits: 0, errors: 0, servedBytes: 0, upstreamRequests: 0, upstreamBytes: 0 }

test('a point for each minute, of the last day, and one for the minute that runs', () => {
  mock.timers.enable({ apis: ['setInterval', 'Date'], now: 0 })
  try {
    let requests = 0
    using recorder = trafficHistory({ total: () => ({ ...NOTHING, requests }), now: Date.now })
    const counts = () => recorder.history.points.map((point) => point.requests)
    assert.deepEqual(counts(), [0])
    requests += 5
    mock.timers.tick(60_000)
    requests += 7
    assert.deepEqual(counts(), [5, 7])
    assert.deepEqual(
      recorder.history.points.map(({ at }) => at),
      ['1970-01-01T00:00:00.000Z', '1970-01-01T00:01:00.000Z'],
    )
    for (let minute = 0; minute < 2_000; minute++) mock.timers.tick(60_000)
    assert.equal(recorder.history.points.length, 1_441)
    assert.deepEqual(new Set(counts()), new Set([0]), 'the first are forgotten')
  } finally {
    mock.timers.reset()
  }
})
