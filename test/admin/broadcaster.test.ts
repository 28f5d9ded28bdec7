/** Many listeners of many events: what they hold, and how often anything is made for them. */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
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

test('listeners are written to a few at a time, and a round begins when the last has ended', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const hub = eventHub(Date.now)
  const broadcaster = new Broadcaster({ events: hub, transfers: () => '[]' })
  const written: string[][] = []
  const listeners = Array.from({ length: 250 }, () => {
    const mine: string[] = []
    written.push(mine)
    const write = (message: Buffer) => mine.push(...message.toString().match(/(?<=^id: )\d+/gm)!)
    return Object.assign(new EventEmitter(), { write }) as unknown as ServerResponse
  })
  for (const outgoing of listeners) broadcaster.add(outgoing, 0)
  const got = (count: number): number => written.filter(({ length }) => length === count).length
  hub.emit('upstream.up', { upstream: 'docker.io', seconds: 1 })
  t.mock.timers.tick(1000)
  for (let told = 2; told <= 250; told += 2) {
    assert.equal(got(1), told)
    t.mock.timers.tick(4)
  }
  hub.emit('upstream.up', { upstream: 'docker.io', seconds: 2 })
  // This thread was held for seconds: the rounds that were due meanwhile are one.
  t.mock.timers.tick(10_000)
  for (let pause = 0; pause < 125; pause++) t.mock.timers.tick(4)
  assert.deepEqual([...new Set(written.map((ids) => ids.join()))], ['1,2'])
  for (const outgoing of listeners) outgoing.emit('close')
  assert.equal(broadcaster.count, 0)
})
