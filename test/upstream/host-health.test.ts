import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { type ErrorCode, isRegistryError, RegistryError } from '../../src/oci/errors.ts'
import { hostHealth } from '../../src/upstream/resilience/host-health.ts'

/** A host whose clock and pings are the test's. */
function setUp(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  const told: string[] = []
  const pings: PromiseWithResolvers<void>[] = []
  const health = hostHealth({
    ping() {
      const ping = Promise.withResolvers<void>()
      pings.push(ping)
      return ping.promise
    },
    changed: (reason) => void told.push(reason === undefined ? 'back' : 'out'),
    now: Date.now,
  })
  t.after(() => health.close())
  const fail = (reason: string, milliseconds = 1, code: ErrorCode = 'UPSTREAM_UNAVAILABLE') =>
    health.failed(new RegistryError(code, { reason }), { isPing: false, milliseconds })
  return {
    health,
    told,
    pings,
    fail,
    wait: (milliseconds: number) => t.mock.timers.tick(milliseconds),
    /** The ping that is on its way gets no response, or one. */
    async end(outcome: 'silence' | 'refused' | 'response') {
      const ping = pings.at(-1)!
      if (outcome === 'response') {
        health.responded()
        ping.resolve()
      } else {
        const error =
          outcome === 'silence'
            ? new RegistryError('UPSTREAM_TIMEOUT', { reason: 'no answer in time' })
            : new RegistryError('UPSTREAM_UNAVAILABLE', { reason: 'ECONNREFUSED' })
        health.failed(error, { isPing: true, milliseconds: 1 })
        ping.reject(error)
      }
      for (let i = 0; i < 5; i++) await Promise.resolve()
    },
  }
}

suite('SEC-72 F12 the host of an upstream', () => {
  test('is out after five refused connections in a row', (t) => {
    const { health, fail, told } = setUp(t)
    for (let i = 0; i < 4; i++) fail('ECONNREFUSED')
    health.responded()
    for (let i = 0; i < 4; i++) fail('ECONNREFUSED')
    health.check()
    fail('ENOTFOUND')
    assert.deepEqual(told, ['out'])
    assert.throws(
      () => health.check(),
      (error) => isRegistryError(error, 'UPSTREAM_UNAVAILABLE') && error.detail['reason'] === 'ENOTFOUND',
    )
  })

  test('is out after one connection that could not be made in time, unless it has responded meanwhile', (t) => {
    const { health, fail, told, wait } = setUp(t)
    wait(10_000)
    health.responded()
    wait(1_000)
    fail('UND_ERR_CONNECT_TIMEOUT', 5_000, 'UPSTREAM_TIMEOUT')
    health.check()
    wait(10_000)
    fail('UND_ERR_CONNECT_TIMEOUT', 5_000, 'UPSTREAM_TIMEOUT')
    assert.deepEqual(told, ['out'])
  })

  test('is asked by a ping when a request is silent or cut off, and believed', async (t) => {
    const { health, fail, told, pings, end, wait } = setUp(t)
    wait(60_000)
    for (let i = 0; i < 100; i++) health.silent(3_000)
    assert.equal(pings.length, 1)
    await end('response')
    fail('no answer in time', 10_000, 'UPSTREAM_TIMEOUT')
    health.silent(3_000)
    assert.equal(pings.length, 1, 'it has responded since')
    wait(10_000)
    fail('ECONNRESET', 10)
    assert.equal(pings.length, 2)
    await end('silence')
    assert.deepEqual(told, ['out'])
  })

  test('gets pings while it is out, twice as rarely each time, up to a minute', async (t) => {
    const { fail, told, pings, end, wait } = setUp(t)
    for (let i = 0; i < 5; i++) fail('ECONNREFUSED')
    for (const [i, open] of [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000].entries()) {
      wait(open - 1)
      assert.equal(pings.length, i, `none after ${open - 1} ms`)
      wait(1)
      assert.equal(pings.length, i + 1)
      await end('refused')
    }
    wait(60_000)
    await end('response')
    assert.deepEqual(told, ['out', 'back'])
    wait(600_000)
    assert.equal(pings.length, 8, 'no more when it is back')
  })

  test('is not judged by what it says, nor by who leaves', (t) => {
    const { health, fail, told, pings } = setUp(t)
    for (let i = 0; i < 20; i++) {
      fail('HPE_INVALID', 1, 'UPSTREAM_INVALID')
      fail('DENIED', 1, 'UPSTREAM_DENIED')
    }
    health.check()
    assert.deepEqual([told, pings.length], [[], 0])
  })
})
