import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pacer } from '../../src/util/pacer.ts'

test('what was spent is waited for, and unused time is not saved up', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let now = 0
  const pace = pacer(1_000, () => now)
  await pace.ready()
  pace.spent(500)
  pace.spent(500)
  let isReady = false
  const ready = pace.ready().then(() => (isReady = true))
  t.mock.timers.tick(999)
  await Promise.resolve()
  assert.equal(isReady, false)
  t.mock.timers.tick(1)
  await ready
  now = 1_000_000
  pace.spent(2_000)
  await assert.rejects(pace.ready(AbortSignal.abort()), { name: 'AbortError' })
})
