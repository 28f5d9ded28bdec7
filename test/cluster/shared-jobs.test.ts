/** What one replica does for all, by the rules that the configuration has. The database is made up; e2e has a real one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sharedJobs } from '../../src/cluster/shared-jobs.ts'
import { MirrorSchedule } from '../../src/mirror/mirror-schedule.ts'
import { parseImagePattern } from '../../src/oci/image-pattern.ts'
import type { SharedJobs } from '../../src/ports/cluster.ts'
import type { Jobs } from '../../src/ports/moving/jobs.ts'
import type { Push } from '../../src/ports/moving/push.ts'
import { Replicator } from '../../src/upload/replicate/replicator.ts'
import type { Schedule } from '../../src/util/async/by-the-clock.ts'
import { eventually } from '../support/fixtures.ts'

const jobs: Pick<Jobs, 'run'> = {
  run: (_, task) => task({ id: '1', signal: new AbortController().signal, say() {} }),
}

/** A table of leases and one of jobs, and replicas that use them. */
function world() {
  const held = new Map<string, number>()
  const done = new Map<string, number>()
  let isAway = false
  let asked = 0
  const replica = (id: number): SharedJobs =>
    sharedJobs({
      lookEvery: 10,
      leases: {
        async claim(key) {
          asked += 1
          if (isAway) return undefined
          if (held.has(key) && held.get(key) !== id) return { address: 'elsewhere', detail: '' }
          held.set(key, id)
          return 'own'
        },
        release: async (key) => void held.delete(key),
      },
      database: {
        async query(text, [job, due] = []) {
          const at = done.get(String(job)) ?? -Infinity
          if (text.startsWith('INSERT')) done.set(String(job), Math.max(at, Number(due)))
          return [{ done: at >= Number(due) }] as never
        },
      },
    })
  return { replica, held, asked: () => asked, away: (now: boolean) => void (isAway = now) }
}

/** A clock that is told when something is due. */
function clock() {
  const tasks: ((due: number) => Promise<void>)[] = []
  const schedule: Schedule = (_, task) => {
    tasks.push(task)
    return { async [Symbol.asyncDispose]() {} }
  }
  return { schedule, strike: (due: number) => Promise.all(tasks.map((task) => task(due))) }
}

test('a mirror rule that is due runs on one of three replicas', async () => {
  const { replica } = world()
  const { schedule, strike } = clock()
  let runs = 0
  const rules = [1, 2, 3].map(
    (id) =>
      new MirrorSchedule(
        {
          name: 'mirror[0]',
          images: [parseImagePattern('org/app')!],
          tags: {},
          platforms: undefined,
          referrers: false,
          window: undefined,
          rate: undefined,
          schedule: '0 3 * * *',
        },
        {
          schedule,
          jobs,
          shared: replica(id),
          warm: () => assert.fail('nothing is wanted'),
          wantedTags: async () => {
            runs += 1
            return { images: [], problems: [], isLater: false }
          },
          now: Date.now,
          ended() {},
          failed: (_, error) => assert.fail(String(error)),
        },
      ),
  )
  await strike(1_000)
  assert.equal(runs, 1)
  await strike(2_000)
  assert.equal(runs, 2)
  assert.equal(rules.filter(({ view }) => view.last !== null).length > 0, true)
  for (const rule of rules) await rule[Symbol.asyncDispose]()
})

function replicators(count: number, schedule: Schedule, cron: string | undefined, push: Push) {
  const { replica, held } = world()
  const all = Array.from(
    { length: count },
    (_, id) =>
      new Replicator(
        {
          name: 'replicate[0]',
          images: [parseImagePattern('org/*')!],
          schedule: cron,
          request: async () => ({
            to: { url: 'http://127.0.0.1', path: '' },
            platforms: [],
            referrers: false,
            withUpstream: false,
          }),
        },
        {
          schedule,
          push,
          jobs,
          shared: replica(id),
          failed: (_, problem) => assert.fail(String(problem)),
          now: Date.now,
          settle: 5,
        },
      ),
  )
  return { all, held }
}

const NOTHING = {
  images: 0,
  pushed: 0,
  unchanged: 0,
  failed: 0,
  notTried: 0,
  sent: 0,
  mounted: 0,
  seconds: 0,
}

test('a replication by the clock runs on one replica', async () => {
  const { schedule, strike } = clock()
  let pushes = 0
  const { all, held } = replicators(3, schedule, '0 3 * * *', async () => {
    pushes += 1
    return NOTHING
  })
  await strike(1_000)
  assert.equal(pushes, 1)
  await strike(2_000)
  assert.equal(pushes, 2)
  assert.equal(held.size, 0)
  for (const one of all) await one[Symbol.asyncDispose]()
})

test('replicas push what they have stored in turn', async () => {
  const { schedule } = clock()
  let pushing = 0
  let pushes = 0
  const { all } = replicators(3, schedule, undefined, async () => {
    pushing += 1
    assert.equal(pushing, 1)
    await new Promise((resolve) => setTimeout(resolve, 20))
    pushing -= 1
    pushes += 1
    return NOTHING
  })
  await eventually(() => pushes === 3, 10_000)
  for (const one of all) await one[Symbol.asyncDispose]()
})

test('a job that its replica is stopped in is done by another one; none begins while the database is away', async () => {
  const { replica, away, asked } = world()
  const stopping = new AbortController()
  const { signal } = new AbortController()
  const begun = Promise.withResolvers<void>()
  const first = replica(1).once(
    'x',
    1,
    async () => {
      begun.resolve()
      await new Promise((resolve) => stopping.signal.addEventListener('abort', resolve))
    },
    stopping.signal,
  )
  await begun.promise
  let isDone = false
  const second = replica(2).once('x', 1, async () => void (isDone = true), signal)
  stopping.abort()
  await first
  await second
  assert.ok(isDone)
  away(true)
  let isStarted = false
  const third = replica(1).once('x', 2, async () => void (isStarted = true), signal)
  const before = asked()
  await eventually(() => asked() > before + 3)
  assert.ok(!isStarted)
  away(false)
  await third
  assert.ok(isStarted)
  const leaving = new AbortController()
  away(true)
  const fourth = replica(1).once('x', 3, async () => assert.fail('nobody can tell'), leaving.signal)
  leaving.abort(new Error('the process stops'))
  await assert.rejects(fourth)
})
