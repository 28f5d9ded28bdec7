import assert from 'node:assert/strict'
import { test } from 'node:test'
import { singleFlight } from '../../src/util/async/single-flight.ts'

test('callers that ask while a task runs share it, and the next one starts another', async () => {
  const flights = singleFlight<number>()
  const gate = Promise.withResolvers<void>()
  let runs = 0
  const task = async () => {
    await gate.promise
    return ++runs
  }
  const both = Promise.all([flights.run('a', task), flights.run('a', task)])
  assert.ok(flights.has('a'))
  assert.equal(flights.size, 1)
  gate.resolve()
  assert.deepEqual(await both, [
    { value: 1, joined: false },
    { value: 1, joined: true },
  ])
  assert.ok(!flights.has('a'))
  assert.deepEqual(await flights.run('a', task), { value: 2, joined: false })
})

test('tasks of different keys run side by side', async () => {
  const flights = singleFlight<string>()
  const gate = Promise.withResolvers<string>()
  const slow = flights.run('slow', () => gate.promise)
  assert.equal((await flights.run('fast', async () => 'fast')).value, 'fast')
  gate.resolve('slow')
  assert.equal((await slow).value, 'slow')
})

test('the caller that started the task leaves, and the task goes on for the other', async () => {
  const flights = singleFlight<string>()
  const gate = Promise.withResolvers<string>()
  const leaving = new AbortController()
  const first = flights.run('a', () => gate.promise, leaving.signal)
  const second = flights.run('a', () => assert.fail('started twice'))
  leaving.abort(new Error('client left'))
  await assert.rejects(first, /client left/)
  gate.resolve('done')
  assert.deepEqual(await second, { value: 'done', joined: true })
})

test('a failure reaches everyone who waits, and is not remembered', async () => {
  const flights = singleFlight<string>()
  const fail = () => Promise.reject(new Error('no answer'))
  const [first, second] = await Promise.allSettled([flights.run('a', fail), flights.run('a', fail)])
  assert.deepEqual([first.status, second.status], ['rejected', 'rejected'])
  const throws = (): Promise<string> => {
    throw new Error('before the first await')
  }
  await assert.rejects(flights.run('a', throws), /before the first await/)
  assert.equal((await flights.run('a', async () => 'works')).value, 'works')
})
