/** News that come late, or that cannot be taken at once. The database is made up; e2e has a real one. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Database } from '../../src/cluster/database.ts'
import { openNews } from '../../src/cluster/news.ts'
import type { Notice } from '../../src/cluster/notice.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { eventually } from '../support/fixtures.ts'

const START = 1_000_000_000

interface Told {
  readonly at: number
  readonly notice: Notice
}

/** One replica, and a database that others have told something in. Nothing listens at its address. */
async function world(told: readonly Told[], take: (notice: Notice) => void = () => {}) {
  let now = START
  let identity = 'one'
  let isBroken = false
  let isAway = false
  const turns: string[] = []
  let began = 0
  const took: Notice[] = []
  const heard: number[] = []
  const failures: unknown[] = []
  const real = new Database({ url: 'postgres://127.0.0.1:1/none', asked() {}, now: () => now })
  const database = Object.assign(real, {
    async query(text: string) {
      if (isAway) throw new RegistryError('STORAGE', { reason: 'ECONNREFUSED' })
      if (!text.startsWith('WITH found')) return []
      const base = { now, database: identity }
      if (told.length === 0) return [{ ...base, at: null }]
      return told.map(({ at, notice: { kind, ...body } }, id) => ({
        ...base,
        at,
        exact: String(at),
        kind,
        id: String(id),
        body,
      }))
    },
  })
  const news = openNews({
    database,
    id: 'this',
    failed: (error) => void failures.push(error),
    heard: { read: async () => START - 3_600_000, write: async (at) => void heard.push(at) },
    listener: {
      tagChanged: async () => {},
      noticed(notice) {
        take(notice)
        took.push(notice)
      },
      async began() {
        began += 1
        if (isBroken) throw new RegistryError('STORAGE', { reason: 'busy' })
      },
      lost: () => void turns.push('lost'),
      returned: () => void turns.push('returned'),
    },
  })
  await eventually(() => began > 0)
  await news.poll()
  return {
    took,
    heard,
    failures,
    began: () => began,
    turns,
    away(is: boolean) {
      isAway = is
    },
    async later(milliseconds: number) {
      now += milliseconds
      await news.poll()
    },
    replace(by: string, isAbleToJoin: boolean) {
      identity = by
      isBroken = !isAbleToJoin
    },
    async [Symbol.asyncDispose]() {
      await news[Symbol.asyncDispose]()
      await real[Symbol.asyncDispose]()
    },
  }
}

suite('news of other replicas', () => {
  test('what comes late holds for the rest of its time, and not when that is over', async () => {
    await using replica = await world([
      { at: START - 40_000, notice: { kind: 'absent', key: 'fresh', duration: 60_000 } },
      { at: START - 90_000, notice: { kind: 'absent', key: 'stale', duration: 60_000 } },
      { at: START - 59_000, notice: { kind: 'scarce', upstream: 'docker.io', duration: 60_000 } },
      { at: START - 90_000, notice: { kind: 'scarce', upstream: 'ghcr.io', duration: 60_000 } },
      { at: START - 90_000, notice: { kind: 'scarce', upstream: 'quay.io', duration: 0 } },
    ])
    assert.deepEqual(replica.took, [
      { kind: 'absent', key: 'fresh', duration: 20_000 },
      { kind: 'scarce', upstream: 'docker.io', duration: 1_000 },
      { kind: 'scarce', upstream: 'quay.io', duration: 0 },
    ])
  })

  test('a purge that fails once is tried again, and is not taken for heard before', async () => {
    let isFull = true
    const take = ({ kind }: Notice): void => {
      if (isFull && kind === 'purged') throw new RegistryError('STORAGE', { reason: 'ENOSPC' })
    }
    await using replica = await world(
      [
        { at: START - 3_000, notice: { kind: 'purged', pattern: 'org/a' } },
        { at: START - 2_000, notice: { kind: 'runs forgotten', runs: ['1'] } },
      ],
      take,
    )
    assert.deepEqual(replica.took, [{ kind: 'runs forgotten', runs: ['1'] }])
    assert.deepEqual(replica.heard, [])
    isFull = false
    await replica.later(10_000)
    assert.deepEqual(replica.took.at(-1), { kind: 'purged', pattern: 'org/a' })
    assert.deepEqual(replica.heard, [START - 3_000])
    await replica.later(10_000)
    assert.equal(replica.took.length, 2)
  })

  test('a purge that always fails is given up', async () => {
    const take = (): void => {
      throw new RegistryError('STORAGE', { reason: 'EIO' })
    }
    await using replica = await world(
      [{ at: START - 3_000, notice: { kind: 'purged', pattern: 'org/a' } }],
      take,
    )
    for (let tries = 0; tries < 40; tries++) await replica.later(10_000)
    assert.equal(replica.failures.length, 20)
    assert.deepEqual(replica.heard, [START - 3_000])
  })

  test('a database in the place of another one is joined, however often that fails', async () => {
    await using replica = await world([])
    const before = replica.began()
    replica.replace('two', false)
    await replica.later(1_000)
    await replica.later(1_000)
    const failed = replica.began()
    assert.ok(failed >= before + 2)
    replica.replace('two', true)
    await replica.later(1_000)
    const joined = replica.began()
    assert.ok(joined > failed)
    await replica.later(1_000)
    assert.equal(replica.began(), joined)
  })

  test('that the database does not answer is told once, and that it answers again', async () => {
    await using replica = await world([])
    replica.away(true)
    await eventually(() => replica.turns.length > 0)
    await assert.rejects(replica.later(1_000))
    replica.away(false)
    await eventually(() => replica.turns.length > 1)
    assert.deepEqual(replica.turns, ['lost', 'returned'])
  })
})
