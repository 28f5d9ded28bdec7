import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { suite, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { LongBodies } from '../../src/upstream/body/long-bodies.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { manifestOf } from '../support/fixtures.ts'
import { connectTo } from './setup.ts'

suite('SEC-71: the long bodies of an upstream', () => {
  test('are read two at a time, in turns of those who ask', async () => {
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

test('SEC-71: a client that asks for many keeps nobody from the next turn', async () => {
  await using upstream = await fakeUpstream()
  const body = manifestOf([], { annotations: { padding: 'x'.repeat(1_000_000) } })
  const repositories = Array.from({ length: 30 }, (_, i) => `evil/${i}`)
  for (const name of [...repositories, 'app']) upstream.addManifest(name, 'v1', body, OCI_MANIFEST)
  const asker = new AsyncLocalStorage<string>()
  await using client = connectTo(upstream.url, { asker: () => asker.getStore() })
  const order: string[] = []
  const ask = (owner: string, name: string) =>
    asker.run(owner, async () => {
      assert.equal((await client.repository(name).manifest(digestOf(body)))?.body.length, body.length)
      order.push(owner)
    })
  await Promise.all([...repositories.map((name) => ask('evil', name)), ask('another', 'app')])
  assert.ok(order.indexOf('another') < 22, order.join(' '))
})
