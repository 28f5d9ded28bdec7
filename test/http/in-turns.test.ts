import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { suite, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { inTurns } from '../../src/http/server/in-turns.ts'
import { Turns } from '../../src/http/server/turns.ts'

/** A listener that notes who was served, and requests that come at once. */
function rig(work: () => void = () => {}) {
  const served: string[] = []
  const of = (incoming: IncomingMessage): string => incoming.headers.from!
  const listener = inTurns(
    (incoming) => {
      served.push(of(incoming))
      work()
    },
    of,
    new Turns(),
    new Turns(),
  )
  const request = (client: string, url = '/v2/') =>
    listener({ headers: { from: client }, method: 'GET', url } as IncomingMessage, {} as ServerResponse)
  return { served, request }
}

suite('SEC-80: the requests of a client begin a few at a time', () => {
  test('beside hundreds that came before it, the request of another client begins at once', async () => {
    const { served, request } = rig()
    for (let i = 0; i < 300; i++) request('greedy')
    request('other')
    const before = served.filter((client) => client === 'greedy').length
    assert.ok(before <= 16, `${before} came before it`)
    assert.equal(served.at(-1), 'other')
    for (let i = 0; served.length < 301; i++) {
      assert.ok(i < 300)
      await nextTurn()
    }
    assert.equal(served.filter((client) => client === 'greedy').length, 300)
  })

  test('those that wait begin for a millisecond of a turn, of each client one after the other', async () => {
    const { served, request } = rig(() => {
      for (const end = performance.now() + 1; performance.now() < end;);
    })
    for (const client of ['a', 'b', 'c']) for (let i = 0; i < 13; i++) request(client)
    assert.deepEqual(served, ['a', 'b', 'c'])
    served.length = 0
    await nextTurn()
    assert.ok(served.length >= 1 && served.length <= 2, `${served.length} began in one turn`)
    while (served.length < 36) await nextTurn()
    assert.deepEqual(served.slice(0, 6), ['a', 'b', 'c', 'a', 'b', 'c'])
  })

  test('a small answer begins at once beside a thousand blobs of its own client, and holds none of them up', async () => {
    const { served, request } = rig()
    for (let i = 0; i < 1000; i++) request('a', '/v2/library/app/blobs/sha256:0')
    const before = served.length
    assert.ok(before <= 16, `${before} blobs began at once`)
    request('a')
    assert.equal(served.length, before + 1)
    for (let turns = 0; served.length < 1001 + turns; turns++) {
      assert.ok(turns < 1000)
      await nextTurn()
      const count: number = served.length
      request('a', '/v2/library/app/manifests/latest')
      assert.equal(served.length, count + 1)
    }
  })

  test('however long this thread is interrupted, each turn begins one', async (t) => {
    const { served, request } = rig()
    let now = 0
    t.mock.method(performance, 'now', () => (now += 100))
    for (let i = 0; i < 20; i++) request('a')
    for (const expected of [2, 3, 4, 5]) {
      await nextTurn()
      assert.equal(served.length, expected)
    }
  })
})
