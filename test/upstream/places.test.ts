import assert from 'node:assert/strict'
import { test } from 'node:test'
import { places } from '../../src/upstream/net/places.ts'

/** Whether the promise has settled by now. */
const isSettled = async (promise: Promise<unknown>): Promise<boolean> => {
  const pending = Symbol('pending')
  for (let i = 0; i < 3; i++) await Promise.resolve()
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending
}

test('SEC-72 one owner gets three quarters of the places, the rest is for those that have none', async () => {
  const { enter } = places(8)
  const one = await Promise.all(Array.from({ length: 6 }, () => enter('one')))
  const seventh = enter('one')
  assert.equal(await isSettled(seventh), false)
  const two = await enter('two')
  const secondOfTwo = enter('two')
  assert.equal(await isSettled(secondOfTwo), false)
  const three = await enter('three')
  const four = enter('four')
  assert.equal(await isSettled(four), false, 'all are taken')

  one[0]!.leave()
  one[0]!.leave()
  assert.equal(await isSettled(four), true, 'the first that may')
  assert.equal(await isSettled(seventh), false)
  for (const place of [three, await four]) place.leave()
  assert.equal(await isSettled(seventh), false, 'two are free, for those that have none')
  one[1]!.leave()
  assert.equal(await isSettled(seventh), true, 'first come, first served')
  assert.equal(await isSettled(secondOfTwo), false)
  two.leave()
  assert.equal(await isSettled(secondOfTwo), true)
})

test('who waits for a place no longer does not get it', async () => {
  const { enter } = places(1)
  const held = await enter('one')
  const leave = new AbortController()
  const waiting = enter('two', leave.signal)
  const next = enter('three')
  leave.abort(new Error('left'))
  await assert.rejects(waiting, /left/)
  await assert.rejects(enter('four', leave.signal), /left/)
  held.leave()
  ;(await next).leave()
  ;(await enter('five')).leave()
})
