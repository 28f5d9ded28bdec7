import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { untilAborted } from '../../src/util/async/until-aborted.ts'

test('the result and the error of the promise are passed on, and no listener stays', async () => {
  const { signal } = new AbortController()
  assert.equal(await untilAborted(Promise.resolve(1), undefined), 1)
  assert.equal(await untilAborted(Promise.resolve(1), signal), 1)
  await assert.rejects(untilAborted(Promise.reject(new Error('broken')), signal), /broken/)
  assert.deepEqual(getEventListeners(signal, 'abort'), [])
})

test('an abort ends the wait with its reason, and a late error of the promise goes unnoticed', async () => {
  const abort = new AbortController()
  const work = Promise.withResolvers<void>()
  const waiting = untilAborted(work.promise, abort.signal)
  abort.abort(new Error('client left'))
  await assert.rejects(waiting, /client left/)
  work.reject(new Error('late'))
  await assert.rejects(untilAborted(work.promise, abort.signal), /client left/)
})
