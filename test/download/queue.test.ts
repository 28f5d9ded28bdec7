import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRegistryError } from '../../src/oci/errors.ts'
import { queue } from '../../src/download/queue.ts'

const options = { upstream: 'docker.io', places: 2, queueLength: 2, queueTimeout: 1_000 }
const tooMany = (error: unknown) => isRegistryError(error, 'TOOMANYREQUESTS')

test('those who find no place wait for one, in order', async () => {
  const { enter } = queue(options)
  const first = await enter()
  await enter()
  const order: string[] = []
  const third = enter().then((place) => (order.push('third'), place))
  const fourth = enter().then((place) => (order.push('fourth'), place))
  first[Symbol.dispose]()
  ;(await third)[Symbol.dispose]()
  await fourth
  assert.deepEqual(order, ['third', 'fourth'])
})

test('F53 a full queue is refused at once', async () => {
  const { enter } = queue({ ...options, queueLength: 0 })
  await enter()
  await enter()
  await assert.rejects(enter(), tooMany)
})

test('F53 who waits too long is refused, and leaves the queue', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { enter } = queue({ ...options, queueLength: 1 })
  const first = await enter()
  await enter()
  const refused = assert.rejects(enter(), tooMany)
  t.mock.timers.tick(1_000)
  await refused
  const next = enter()
  first[Symbol.dispose]()
  await next
})

test('who gives up waiting leaves the queue, and a place is given back only once', async () => {
  const { enter } = queue({ ...options, places: 1, queueLength: 1 })
  const first = await enter()
  const impatient = new AbortController()
  const left = assert.rejects(enter(impatient.signal), /gave up/)
  impatient.abort(new Error('gave up'))
  await left
  const waiting = enter()
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  await waiting
  const blocked = enter()
  assert.equal(await Promise.race([blocked.then(() => 'in'), Promise.resolve('out')]), 'out')
  ;(await waiting)[Symbol.dispose]()
  await blocked
})
