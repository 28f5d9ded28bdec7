import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { LongBodies } from '../../src/upstream/body/long-bodies.ts'

suite('SEC-71: the long bodies of an upstream', () => {
  test('are read two at a time, in turns of their repositories', async () => {
    const bodies = new LongBodies('up', 15_000)
    const order: string[] = []
    const leaving: (() => void)[] = []
    const enter = async (repository: string): Promise<void> => {
      leaving.push(await bodies.enter(repository))
      order.push(repository)
    }
    const all = Promise.all(['a', 'a', 'a', 'a', 'a', 'b'].map(enter))
    await new Promise(setImmediate)
    assert.equal(order.join(''), 'aa')
    for (let i = 0; i < 4; i++) {
      leaving.shift()!()
      await new Promise(setImmediate)
    }
    await all
    assert.equal(order.join(''), 'aaabaa')
  })

  test('wait for three seconds at most, and who gave up takes no turn', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const bodies = new LongBodies('up', 15_000)
    const leave = await Promise.all(Array.from({ length: 2 }, () => bodies.enter('a')))
    const late = bodies.enter('b')
    const refused = assert.rejects(late, { code: 'TOOMANYREQUESTS' })
    t.mock.timers.tick(3_000)
    await refused
    for (const one of leave) one()
    for (const one of await Promise.all([bodies.enter('c'), bodies.enter('c')])) one()
  })
})
