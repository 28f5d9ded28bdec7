/** Many listeners of many events: what they hold, and how often anything is made for them. */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { Broadcaster } from '../../src/admin/events/broadcaster.ts'
import { eventHub } from '../../src/observe/events.ts'
import { eventually } from '../support/fixtures.ts'
import { RawClient } from '../support/raw-client.ts'

const LISTENERS = 50

test('each event is written once for all listeners; one that does not read holds no more than a message', async () => {
  const hub = eventHub(Date.now)
  let written = 0
  // An event says of itself that it is made into text.
  const counted = { toJSON: () => ((written += 1), 'docker.io') } as unknown as string
  const broadcaster = new Broadcaster({ events: hub, transfers: () => '[]' })
  const open: ServerResponse[] = []
  const server = createServer((_, outgoing) => {
    open.push(outgoing)
    outgoing.writeHead(200)
    broadcaster.add(outgoing, 0)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const clients = await Promise.all(Array.from({ length: LISTENERS }, () => RawClient.connect(port)))
  for (const client of clients) client.request('GET', '/')
  await eventually(() => broadcaster.count === LISTENERS, 20_000)

  const emit = (count: number): void => {
    for (let i = 0; i < count; i++) hub.emit('upstream.up', { upstream: counted, seconds: i })
  }
  emit(100)
  await eventually(() => written > 0, 20_000)
  for (const client of clients) await client.received(100 * 60)
  assert.equal(written, 100)

  // From here on nobody reads.
  const most = { length: 0 }
  for (let round = 0; round < 5; round++) {
    const before = written
    emit(2_000)
    await eventually(() => written > before, 20_000)
    assert.ok(written - before <= 500, `${written - before} of 2,000 were written`)
    for (const { writableLength } of open) most.length = Math.max(most.length, writableLength)
  }
  assert.ok(most.length < 128 * 1024, `${most.length} bytes wait for one listener`)
  for (const client of clients) client[Symbol.dispose]()
  await eventually(() => broadcaster.count === 0, 20_000)
  server.close()
})

/** Listeners that read at once what is written to them: the ids of their events. */
function readers(broadcaster: Broadcaster, count: number, id: number) {
  return Array.from({ length: count }, () => {
    const ids: string[] = []
    const write = (message: Buffer) => ids.push(...message.toString().match(/(?<=^id: )\d+/gm)!)
    const outgoing = Object.assign(new EventEmitter(), { write })
    broadcaster.add(outgoing as unknown as ServerResponse, id)
    return { ids, close: () => outgoing.emit('close') }
  })
}

type Clock = TestContext['mock']['timers']

/** One at a time, for what a timer starts counts from the end of a tick. */
function pass(clock: Clock, milliseconds: number): void {
  for (let i = 0; i < milliseconds; i++) clock.tick(1)
}

test('one listener after the other is written to, each with all that it has not had', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const hub = eventHub(Date.now)
  const broadcaster = new Broadcaster({ events: hub, transfers: () => '[]' })
  const listeners = readers(broadcaster, 250, 0)
  const told = (): number => listeners.filter(({ ids }) => ids.length > 0).length
  const emit = (): void => hub.emit('upstream.up', { upstream: 'docker.io', seconds: 1 })
  emit()
  pass(t.mock.timers, 999)
  assert.equal(told(), 0)
  pass(t.mock.timers, 1)
  for (let expected = 1; expected < 250; expected++) {
    assert.equal(told(), expected)
    pass(t.mock.timers, 10)
  }
  assert.equal(told(), 250)
  emit()
  emit()
  // The next round was due before this one had ended.
  pass(t.mock.timers, 250 * 10)
  assert.deepEqual([...new Set(listeners.map(({ ids }) => ids.join()))], ['1,2,3'])
  for (const { close } of listeners) close()
  assert.equal(broadcaster.count, 0)
})

test('a round begins each second, and passes those by who have had everything', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const hub = eventHub(Date.now)
  const broadcaster = new Broadcaster({ events: hub, transfers: () => '[]' })
  const emit = (): void => hub.emit('upstream.up', { upstream: 'docker.io', seconds: 1 })
  const [first] = readers(broadcaster, 1, 0)
  emit()
  const others = readers(broadcaster, 50, 1)
  const [last] = readers(broadcaster, 1, 0)
  assert.deepEqual([first!.ids, last!.ids], [[], ['1']])
  pass(t.mock.timers, 1000)
  assert.deepEqual(first!.ids, ['1'])
  // Only one was written to, so this second is as long as that of nobody.
  for (let round = 2; round < 5; round++) {
    pass(t.mock.timers, 989)
    emit()
    pass(t.mock.timers, 10)
    assert.equal(first!.ids.length, round - 1)
    pass(t.mock.timers, 1)
    assert.equal(first!.ids.length, round)
  }
  for (const { close } of [first!, last!, ...others]) close()
  assert.equal(broadcaster.count, 0)
})
