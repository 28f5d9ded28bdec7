/** FR-33: what is counted from an instant ends, although the clock was set back. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { auditTrail } from '../../src/observe/audit-trail.ts'
import { evictionWatch } from '../../src/observe/eviction-watch.ts'
import { eventHub } from '../../src/observe/events.ts'
import { recurring } from '../../src/observe/recurring.ts'
import { storeWatch } from '../../src/observe/store-watch.ts'
import { upstreamReport } from '../../src/observe/status.ts'
import { upstreamWatch } from '../../src/observe/upstream-watch.ts'
import { endpointName } from '../../src/util/endpoint-name.ts'
import { blobOf } from '../support/fixtures.ts'

const YEAR = 365 * 86_400_000

function rig() {
  const clock = { now: 2 * YEAR }
  const now = (): number => clock.now
  const events = eventHub(now)
  const count = (type: string): number => events.since(0).filter((event) => event.type === type).length
  return { clock, now, events, count }
}

suite('FR-33: a year back', () => {
  test('the trouble of the store ends', () => {
    const { clock, now, events, count } = rig()
    const { telemetry } = storeWatch({ emit: events.emit, now })
    telemetry.failed('write', 'ENOSPC')
    clock.now -= YEAR
    telemetry.stored(blobOf(1).digest)
    assert.equal(count('store.recovered'), 1)
  })

  test('trouble that comes back is told', () => {
    const { clock, now } = rig()
    const isTold = recurring(now)
    assert.equal(isTold('trouble'), 1)
    assert.equal(isTold('trouble'), undefined)
    clock.now -= YEAR
    assert.equal(isTold('trouble'), 2)
  })

  test('a rate limit that is low again is told', () => {
    const { clock, now, events, count } = rig()
    const upstreams = [{ name: 'docker.io', hasCredentials: false }]
    const { telemetry } = upstreamWatch({ upstreams, emit: events.emit, now })
    for (const isNearlyExhausted of [true, false]) telemetry.rateLimit('docker.io', 1, { isNearlyExhausted })
    clock.now -= YEAR
    telemetry.rateLimit('docker.io', 1, { isNearlyExhausted: true })
    assert.equal(count('limit.low'), 2)
  })

  test('the endpoint that has answered last is told, also of two answers in one millisecond', () => {
    const { clock, now, events } = rig()
    const [first, second] = ['http://a', 'http://b'].map((url) => endpointName('docker.io', url)) as [
      string,
      string,
    ]
    const upstreams = ['docker.io', first, second].map((name) => ({ name, hasCredentials: false }))
    const watch = upstreamWatch({ upstreams, emit: events.emit, now })
    const last = () => upstreamReport(watch.view('docker.io')!, undefined, watch.views()).lastEndpoint
    for (const [endpoint, url] of [
      [first, 'http://a'],
      [second, 'http://b'],
      [first, 'http://a'],
    ] as const) {
      watch.telemetry.answered(endpoint, 'manifest', 200, 0)
      assert.equal(last(), url)
    }
    clock.now -= YEAR
    watch.telemetry.answered(second, 'manifest', 200, 0)
    assert.equal(last(), 'http://b')
  })

  test('a full store is told, and told once an hour', async () => {
    const { clock, now, events, count } = rig()
    const { evicting } = evictionWatch({ emit: events.emit, now, imagesOf: async () => [] })
    for (let minutes = 0; minutes < 90; minutes += 10) {
      await evicting([], 'quota')
      clock.now += 600_000
    }
    assert.equal(count('quota'), 2)
    clock.now -= YEAR
    await evicting([], 'quota')
    assert.equal(count('quota'), 3)
  })

  test('an entry of the audit trail is one of its own', () => {
    const { clock, now } = rig()
    const trail = auditTrail({ log: { info() {}, warn() {} }, now })
    const entry = {
      action: 'login',
      by: 'ci',
      from: '10.0.0.1',
      target: 'registry',
      result: 'refused',
    } as const
    trail.record(entry)
    trail.record(entry)
    clock.now -= YEAR
    trail.record(entry)
    assert.deepEqual(
      trail.list().map(({ times }) => times),
      [1, 2],
    )
  })
})
