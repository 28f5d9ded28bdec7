import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { toldOnce } from '../../src/cluster/told-once.ts'
import type { HappenedEvent } from '../../src/ports/insight/events.ts'
import { eventually } from '../support/fixtures.ts'

let id = 0
const event = (type: string, fields: object): HappenedEvent => ({ id: ++id, at: 0, type, ...fields })
const down = (upstream: string) =>
  event('upstream.down', { upstream, state: 'out', said: 'cannot be reached' })

/** Replicas over one table of turns; `away`: the database is. */
function replicas(count: number, { away = false } = {}) {
  const holders = new Map<string, number>()
  const told: string[] = []
  const tell = Array.from({ length: count }, (_, replica) =>
    toldOnce(
      {
        async turn(key) {
          if (away) return undefined
          const holder = holders.get(key) ?? replica
          holders.set(key, holder)
          return holder === replica
        },
      },
      (event) => told.push(`${replica} ${event.type}`),
      assert.ifError,
    ),
  )
  return { tell, told }
}

suite('events of several replicas', () => {
  test('what all of them find is told by the first one, however often it happens', async () => {
    const { tell, told } = replicas(3)
    for (const each of tell) each(down('docker.io'))
    for (const each of tell) each(event('upstream.up', { upstream: 'docker.io', seconds: 1 }))
    for (const each of tell) each(down('docker.io'))
    tell[2]!(down('ghcr.io'))
    await eventually(() => told.length === 4)
    assert.deepEqual(told, ['0 upstream.down', '0 upstream.up', '0 upstream.down', '2 upstream.down'])
  })

  test('what is of one replica is told by each, and in its order', async () => {
    const { tell, told } = replicas(2)
    for (const each of tell) {
      each(down('docker.io'))
      each(event('quota', { said: 'the store is full' }))
    }
    await eventually(() => told.length === 3)
    assert.deepEqual(told, ['0 upstream.down', '0 quota', '1 quota'])
  })

  test('an event whose turn, or whose telling, fails holds up no other', async () => {
    const failures = [new TypeError('no row'), new TypeError('no queue')]
    const told: string[] = []
    const failed: unknown[] = []
    const each = toldOnce(
      {
        async turn(key) {
          if (key.endsWith('docker.io out')) throw failures[0]!
          return true
        },
      },
      (event) => {
        if (event.type === 'quota') throw failures[1]!
        told.push(`${event.type} ${String((event as { upstream?: string }).upstream)}`)
      },
      (error) => failed.push(error),
    )
    each(down('docker.io'))
    each(event('quota', { said: 'the store is full' }))
    each(down('ghcr.io'))
    await eventually(() => told.length === 2)
    assert.deepEqual(told, ['upstream.down docker.io', 'upstream.down ghcr.io'])
    assert.deepEqual(failed, failures)
  })

  test('while their database is away each tells all', async () => {
    const { tell, told } = replicas(2, { away: true })
    for (const each of tell) each(event('image.stored', { image: 'a', digest: 'b' }))
    await eventually(() => told.length === 2)
    assert.deepEqual(told, ['0 image.stored', '1 image.stored'])
  })
})
