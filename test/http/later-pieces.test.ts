import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { LaterPieces } from '../../src/http/server/later-pieces.ts'
import { Turns } from '../../src/http/server/turns.ts'
import { addressGroup } from '../../src/util/address-group.ts'

const GREEDY = '192.0.2.1'

/** Asks for `count` blobs at once. `begun` tells which have begun. */
function askFor(count: number, beginnings: Turns, client = GREEDY) {
  const begun: number[] = []
  for (let i = 0; i < count; i++) beginnings.run(client, () => begun.push(i))
  return begun
}

suite('SEC-80: a thousand blobs that are asked for at once all begin before one goes on', () => {
  test('those that have begun wait for the others of their client, and then go on in turns', async () => {
    const beginnings = new Turns(4)
    const later = new LaterPieces(beginnings, 4)
    const begun = askFor(100, beginnings)
    assert.ok(begun.length < 100)
    const goneOn: number[] = []
    const all = Array.from({ length: 100 }, async () => {
      await later.turn(GREEDY)
      assert.equal(begun.length, 100)
      goneOn.push(turn)
    })
    let turn = 0
    for (; goneOn.length < 100; turn++) {
      assert.ok(turn < 1000)
      await nextTurn()
    }
    await Promise.all(all)
    const together = Math.max(
      ...Map.groupBy(goneOn, (at) => at)
        .values()
        .map(({ length }) => length),
    )
    assert.ok(together <= 20, `${together} went on in one turn`)
  })

  test('a client none of whose requests waits goes on at once, whatever others ask for', () => {
    const beginnings = new Turns(4)
    const later = new LaterPieces(beginnings, 4)
    askFor(100, beginnings)
    assert.equal(later.turn('192.0.2.2'), undefined)
    assert.notEqual(later.turn(GREEDY), undefined)
  })

  test('clients of one IPv6 network are one client', () => {
    const beginnings = new Turns(4)
    const later = new LaterPieces(beginnings, 4)
    askFor(100, beginnings, addressGroup('2001:db8::1'))
    assert.notEqual(later.turn('2001:db8::2'), undefined)
  })

  test('a client that asks for more and more holds its own blobs for half a second', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const beginnings = new Turns(4)
    const later = new LaterPieces(beginnings, 4)
    let isOver = false
    const ask = (): void => void (isOver || beginnings.wait(GREEDY, ask))
    for (let i = 0; i < 40; i++) ask()
    const goesOn = later.turn(GREEDY)!.then(() => (isOver = true))
    for (let i = 0; i < 50; i++) await nextTurn()
    assert.equal(isOver, false)
    t.mock.timers.tick(500)
    await goesOn
  })
})
