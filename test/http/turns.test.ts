import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Turns } from '../../src/http/server/turns.ts'

/** Holds the thread for so many milliseconds. */
function work(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end;);
}

suite('SEC-80: the tasks of a client begin a few at a time', () => {
  test('what a task does in microtasks counts in the time of its turn', async () => {
    const turns = new Turns()
    const begun: number[] = []
    let turn = 0
    for (let i = 0; i < 40; i++) {
      turns.run('greedy', () => {
        begun.push(turn)
        // As a request that waits for what is there at once.
        void Promise.resolve().then(() => work(0.6))
      })
    }
    for (; begun.length < 40; turn++) {
      assert.ok(turn < 100)
      await nextTurn()
    }
    for (let at = 1; at < turn; at++) {
      const together = begun.filter((of) => of === at).length
      assert.ok(together <= 2, `${together} tasks of 0.6 ms began in one turn`)
    }
  })

  test('a client that has used its time waits, and another one does not', () => {
    const turns = new Turns()
    const begun: string[] = []
    const task = (client: string) => () => {
      begun.push(client)
      work(1)
    }
    for (const client of ['greedy', 'greedy', 'other']) turns.run(client, task(client))
    assert.deepEqual(begun, ['greedy', 'other'])
  })
})
