import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isRegistryError } from '../../src/oci/errors.ts'
import { queue } from '../../src/download/queue.ts'

const options = { upstream: 'docker.io', places: 2, queueLength: 2, queueTimeout: 1_000 }
const tooMany = (error: unknown) => isRegistryError(error, 'TOOMANYREQUESTS')

test('those who find no place wait for one, in order', async () => {
  const { enter } = queue(options)
  const first = await enter('a')
  await enter('a')
  const order: string[] = []
  const third = enter('a').then((place) => (order.push('third'), place))
  const fourth = enter('a').then((place) => (order.push('fourth'), place))
  first[Symbol.dispose]()
  ;(await third)[Symbol.dispose]()
  await fourth
  assert.deepEqual(order, ['third', 'fourth'])
})

test('F53 a full queue is refused at once', async () => {
  const { enter } = queue({ ...options, queueLength: 0 })
  await enter('a')
  await enter('a')
  await assert.rejects(enter('a'), tooMany)
})

test('F53 who waits too long is refused, and leaves the queue', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { enter } = queue({ ...options, queueLength: 1 })
  const first = await enter('a')
  await enter('a')
  const refused = assert.rejects(enter('a'), tooMany)
  t.mock.timers.tick(1_000)
  await refused
  const next = enter('a')
  first[Symbol.dispose]()
  await next
})

test('F53 those who came together are not refused together', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { enter } = queue({ ...options, places: 1, queueLength: 100 })
  await enter('a')
  let refused = 0
  const all = Array.from({ length: 100 }, () => enter('a').catch(() => (refused += 1)))
  const counts: number[] = []
  for (let time = 0; time < 1_000; time += 50) {
    t.mock.timers.tick(50)
    await nextTurn()
    counts.push(refused)
  }
  await Promise.all(all)
  assert.equal(counts.at(-1), 100)
  // In the last fifth of the time that one may wait.
  assert.equal(counts[14], 0)
  const most = Math.max(...counts.map((count, i) => count - (counts[i - 1] ?? 0)))
  assert.ok(most <= 60, `${most} of 100 were refused within 50 ms`)
})

test('F53 who would be refused at once is told so without waiting', async () => {
  const { enter, refuseIfFull } = queue({ ...options, places: 1, queueLength: 1 })
  refuseIfFull('a')
  const place = await enter('a')
  refuseIfFull('a')
  const waiting = enter('a')
  assert.throws(() => refuseIfFull('a'), tooMany)
  place[Symbol.dispose]()
  await waiting
  refuseIfFull('a')
})

test('who gives up waiting leaves the queue, and a place is given back only once', async () => {
  const { enter } = queue({ ...options, places: 1, queueLength: 1 })
  const first = await enter('a')
  const impatient = new AbortController()
  const left = assert.rejects(enter('a', impatient.signal), /gave up/)
  impatient.abort(new Error('gave up'))
  await left
  const waiting = enter('a')
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  await waiting
  const blocked = enter('a')
  assert.equal(await Promise.race([blocked.then(() => 'in'), Promise.resolve('out')]), 'out')
  ;(await waiting)[Symbol.dispose]()
  await blocked
})

suite('SEC-80: clients take turns', () => {
  const enterAll = (enter: ReturnType<typeof queue>['enter'], client: string, count: number) =>
    Array.from({ length: count }, () => enter(client).catch((error: unknown) => error))

  test('who asks for a few blobs does not wait behind two hundred of another client', async () => {
    for (const places of [1, 4]) {
      const { enter } = queue({ ...options, places, queueLength: 256 })
      const running = await Promise.all(Array.from({ length: places }, () => enter('greedy')))
      const order: string[] = []
      const download = async (client: string) => {
        const place = await enter(client)
        order.push(client)
        await nextTurn()
        place[Symbol.dispose]()
      }
      const greedy = Array.from({ length: 200 }, () => download('greedy'))
      const others = ['modest', 'modest', 'other'].map(download)
      for (const place of running) place[Symbol.dispose]()
      await Promise.all([...greedy, ...others])
      const since = order.slice(0, order.lastIndexOf('modest') + 1)
      assert.ok(since.length <= 4 + places, `${places} places: ${since.join(', ')}`)
      assert.equal(order.length, 203)
    }
  })

  test('a queue that one client has filled has room for others', async () => {
    const { enter } = queue({ ...options, places: 1, queueLength: 4 })
    await enter('greedy')
    const greedy = enterAll(enter, 'greedy', 5)
    assert.ok(tooMany(await greedy[4]))
    enterAll(enter, 'modest', 1)
    assert.ok(tooMany(await greedy[3]))
    enterAll(enter, 'modest', 1)
    assert.ok(tooMany(await greedy[2]))
    await assert.rejects(enter('modest'), tooMany)
    await assert.rejects(enter('greedy'), tooMany)
  })
})

test('limits may change: lower ones hold for whoever comes next, higher ones when a place is free', async () => {
  const limits = { ...options, places: 1, queueLength: 3 }
  const { enter } = queue(limits)
  const first = await enter('a')
  const waiting = ['b', 'c', 'd'].map((client) => enter(client))
  Object.assign(limits, { places: 3, queueLength: 0 })
  first[Symbol.dispose]()
  const places = await Promise.all(waiting)
  await assert.rejects(enter('a'), tooMany)
  limits.places = 1
  places[0]![Symbol.dispose]()
  await assert.rejects(enter('a'), tooMany)
  for (const place of places) place[Symbol.dispose]()
  await enter('a')
})

test('SEC-80 the last eighth of the places is for clients that have none', async () => {
  const { enter } = queue({ ...options, places: 8 })
  for (let i = 0; i < 7; i++) await enter('greedy')
  const eighth = enter('greedy')
  ;(await enter('modest'))[Symbol.dispose]()
  assert.equal(await Promise.race([eighth.then(() => 'in'), Promise.resolve('waits')]), 'waits')
  eighth.catch(() => {})
})
