import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mutex } from '../../src/util/async/mutex.ts'

test('tasks run one at a time, in the order of the calls', async () => {
  const inTurn = mutex()
  const gate = Promise.withResolvers<void>()
  const events: string[] = []
  const first = inTurn(async () => {
    events.push('first starts')
    await gate.promise
    events.push('first ends')
    return 1
  })
  const second = inTurn(async () => {
    events.push('second')
    return 2
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(events, ['first starts'])
  gate.resolve()
  assert.deepEqual(await Promise.all([first, second]), [1, 2])
  assert.deepEqual(events, ['first starts', 'first ends', 'second'])
})

test('a failed task rejects its own caller only', async () => {
  const inTurn = mutex()
  const failed = inTurn(() => Promise.reject(new Error('disk full')))
  const next = inTurn(async () => 'done')
  await assert.rejects(failed, /disk full/)
  assert.equal(await next, 'done')
})
