import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type ErrorCode, isRegistryError, RegistryError } from '../../src/oci/errors.ts'
import { circuit, LIMIT_WEIGHTS, OUTAGE_WEIGHTS } from '../../src/upstream/resilience/circuit-breaker.ts'

/** A circuit whose clock and upstream are the test's. */
function setUp(limits: object = {}) {
  const told: boolean[] = []
  let now = 0
  let asked = 0
  const weights = { ...OUTAGE_WEIGHTS, ...limits }
  const changed = (reason: unknown) => void told.push(reason === undefined)
  const { run } = circuit({ now: () => now, changed, weights })
  const failing = (code: ErrorCode, detail = {}) =>
    assert.rejects(
      run(async () => {
        asked += 1
        throw new RegistryError(code, detail)
      }),
      (error) => isRegistryError(error, code),
    )
  return {
    run,
    told,
    failing,
    fine: () => run(async () => void (asked += 1)),
    asked: () => asked,
    wait: (milliseconds: number) => void (now += milliseconds),
  }
}

suite('F12 the circuit', () => {
  test('opens after five failures in a row, and then answers at once', async () => {
    const { failing, fine, asked, told } = setUp()
    for (let i = 0; i < 4; i++) await failing('UPSTREAM_UNAVAILABLE')
    await fine()
    for (let i = 0; i < 5; i++) await failing('UPSTREAM_UNAVAILABLE')
    assert.deepEqual(told, [false])
    const before = asked()
    for (let i = 0; i < 100; i++) await failing('UPSTREAM_UNAVAILABLE')
    assert.equal(asked(), before)
  })

  test('one timeout is enough', async () => {
    const { failing, asked } = setUp()
    await failing('UPSTREAM_TIMEOUT')
    await failing('UPSTREAM_TIMEOUT')
    assert.equal(asked(), 1)
  })

  test('lets one probe through when its time is over; its success closes it', async () => {
    const { run, failing, fine, wait, told, asked } = setUp()
    await failing('UPSTREAM_TIMEOUT')
    wait(2_000)
    const answer = Promise.withResolvers<string>()
    const probe = run(() => answer.promise)
    for (let i = 0; i < 50; i++) await failing('UPSTREAM_TIMEOUT')
    assert.equal(asked(), 1)
    answer.resolve('ok')
    assert.equal(await probe, 'ok')
    await fine()
    assert.deepEqual(told, [false, true])
  })

  test('a probe that fails opens it for twice as long, up to a minute', async () => {
    const { failing, wait, asked } = setUp()
    await failing('UPSTREAM_UNAVAILABLE')
    for (let i = 0; i < 4; i++) await failing('UPSTREAM_UNAVAILABLE')
    for (const open of [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
      const before = asked()
      wait(open - 1)
      await failing('UPSTREAM_UNAVAILABLE')
      assert.equal(asked(), before, `still open after ${open - 1} ms`)
      wait(1)
      await failing('UPSTREAM_UNAVAILABLE')
      assert.equal(asked(), before + 1)
    }
  })

  test('F10 a limit is obeyed as long as it says, but looked at again every minute', async () => {
    const { failing, wait, asked } = setUp(LIMIT_WEIGHTS)
    await failing('UPSTREAM_LIMITED', { retryAfter: 7 })
    wait(6_999)
    await failing('UPSTREAM_LIMITED')
    assert.equal(asked(), 1)
    wait(1)
    await failing('UPSTREAM_LIMITED', { retryAfter: 3600 })
    for (let minute = 0; minute < 10; minute++) {
      const before = asked()
      for (let i = 0; i < 59; i++) {
        await failing('UPSTREAM_LIMITED')
        wait(1_000)
      }
      assert.equal(asked(), before)
      wait(1_000)
      await failing('UPSTREAM_LIMITED', { retryAfter: 3600 })
      assert.equal(asked(), before + 1)
    }
  })

  test('denials, absences and contradictions are answers', async () => {
    const { run, failing, asked } = setUp()
    for (let i = 0; i < 10; i++) {
      await failing('UPSTREAM_DENIED')
      await failing('UPSTREAM_INVALID')
      assert.equal(await run(async () => undefined), undefined)
    }
    assert.equal(asked(), 20)
  })

  test('who leaves says nothing about upstream', async () => {
    const { run, asked, fine } = setUp()
    for (let i = 0; i < 10; i++) {
      await assert.rejects(
        run(async () => Promise.reject(new DOMException('left', 'AbortError'))),
        { name: 'AbortError' },
      )
    }
    await fine()
    assert.equal(asked(), 1)
  })

  test('what was asked before it opened does not keep it open', async () => {
    const { run, failing, wait, fine } = setUp()
    const late = Promise.withResolvers<void>()
    const early = assert.rejects(run(() => late.promise))
    await failing('UPSTREAM_TIMEOUT')
    wait(1_999)
    late.reject(new RegistryError('UPSTREAM_TIMEOUT'))
    await early
    wait(1)
    await fine()
  })
})
