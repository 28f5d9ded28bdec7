/** What operators and runs tell one replica holds on all, on a real PostgreSQL. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { sharedOwners } from '../../src/cluster/index/shared-owners.ts'
import { sharedJobs } from '../../src/cluster/shared-jobs.ts'
import type { EndpointOwners } from '../../src/ports/endpoint-owners.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type Endpoint, withEndpoints } from '../../src/upstream/endpoints/with-endpoints.ts'
import { pattern } from '../storage/images.ts'
import { storeFolder } from '../storage/setup.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { connectTo } from '../upstream/setup.ts'
import { databaseOf, leasesOf } from './cluster/database.ts'
import { postgres, type Postgres, withoutPostgres } from './cluster/postgres.ts'
import { emptyDatabase, sharedStore, type SharedStore } from './cluster/shared-store.ts'

const a = { upstream: 'docker.io', name: 'library/a' }
const [one, two] = [blobOf(9, 1).digest, blobOf(9, 2).digest]
const now = Date.now

suite('what holds on all replicas', { skip: withoutPostgres }, () => {
  const resources = new AsyncDisposableStack()
  let server: Postgres
  before(async () => {
    server = resources.use(await postgres())
  })
  after(() => resources.disposeAsync())

  async function replicas(count: number): Promise<readonly SharedStore[] & AsyncDisposable> {
    emptyDatabase(server)
    await using starting = new AsyncDisposableStack()
    const all: SharedStore[] = []
    for (let i = 0; i < count; i++) all.push(starting.use(await sharedStore(server, { now })))
    const opened = starting.move()
    return Object.assign(all, { [Symbol.asyncDispose]: () => opened.disposeAsync() })
  }

  const patternsOf = async ({ pins }: SharedStore) => (await pins.list()).map(({ pattern }) => pattern)

  test('a pin and a trusted digest are those of every replica, wherever they are added and removed', async () => {
    await using all = await replicas(3)
    assert.equal(await all[0]!.pins.add(pattern('node:20')), true)
    assert.equal(await all[1]!.pins.add(pattern('node:20')), false)
    assert.equal(await all[1]!.trusted.add({ repository: a, digest: one, addedAt: 5 }), 'added')
    assert.equal(await all[2]!.trusted.add({ repository: a, digest: one, addedAt: 6 }), 'known')
    for (const each of all) {
      await eventually(async () => (await patternsOf(each)).join() === 'docker.io/library/node:20')
      await eventually(async () => (await each.trusted.of(a)).has(one))
      assert.deepEqual(await each.trusted.list(), [{ repository: a, digest: one, addedAt: 5 }])
    }
    assert.equal(await all[2]!.pins.remove(pattern('node:20')), true)
    assert.equal(await all[2]!.trusted.remove(a, one), true)
    for (const each of all) {
      await eventually(async () => (await patternsOf(each)).length === 0)
      await eventually(async () => (await each.trusted.of(a)).size === 0)
    }
  })

  test('an endpoint owns a name on every replica, also while the database is away', async () => {
    await using all = await replicas(2)
    const [first, second] = all.map(({ endpointOwners }) => endpointOwners) as [
      EndpointOwners,
      EndpointOwners,
    ]
    await first.set(a, 'tag v1', 'https://a')
    assert.equal(await second.get(a, 'tag v1'), 'https://a')
    // It had asked meanwhile, and another endpoint had answered.
    await second.set(a, 'tag v1', 'https://b')
    assert.equal(await first.get(a, 'tag v1'), 'https://a')
    assert.equal(await second.get(a, 'tag v1'), 'https://a')
    await server.stop()
    assert.equal(await second.get(a, 'tag v1'), 'https://a')
    await second.set(a, 'tags', 'https://b')
    assert.equal(await second.get(a, 'tags'), 'https://b')
    await server.start()
    await eventually(async () => {
      await second.set(a, 'tags', 'https://b')
      return (await first.get(a, 'tags')) === 'https://b'
    }, 20_000)
    await using database = databaseOf(server)
    const shared = sharedOwners(database, now)
    await shared.forget([{ repository: a, tag: 'v1' }])
    assert.equal(server.sql('SELECT count(*) FROM entrepot_endpoint_owners').trim(), '0')
    await shared.claim(a, 'tags', 'https://a')
    server.sql('UPDATE entrepot_endpoint_owners SET at = at - 91::bigint * 86400000')
    assert.equal(await shared.get(a, 'tags'), undefined)
    await shared.trim()
    assert.equal(server.sql('SELECT count(*) FROM entrepot_endpoint_owners').trim(), '0')
  })

  test('an endpoint that gets another url keeps its names on every replica, also while it is out', async () => {
    await using all = await replicas(2)
    await using first = await fakeUpstream()
    await using second = await fakeUpstream()
    const { digest: ofFirst } = first.addManifest(
      'library/a',
      'v1',
      manifestOf([blobOf(9, 1).bytes]),
      OCI_MANIFEST,
    )
    second.addManifest('library/a', 'v1', manifestOf([blobOf(9, 2).bytes]), OCI_MANIFEST)
    await using connections = new AsyncDisposableStack()
    const ask = async ({ endpointOwners }: SharedStore, firstUrl: string) => {
      const [one, two] = [firstUrl, second.url].map((url) => ({
        url,
        status: { state: 'up', since: 0 } as const,
        isNearlyExhausted: false,
        repository: connections.use(connectTo(url)).repository,
      })) as [Endpoint, Endpoint]
      const found = await withEndpoints('docker.io', [one, two], endpointOwners)
        .repository('library/a')
        .resolve('v1')
      return found?.digest
    }
    const renamed = first.url.replace('127.0.0.1', 'localhost')
    assert.equal(await ask(all[0]!, first.url), ofFirst)
    assert.equal(await ask(all[0]!, renamed), ofFirst)
    await first.stop()
    for (const each of all) {
      await assert.rejects(ask(each, renamed), (error) => isRegistryError(error, 'UPSTREAM_UNAVAILABLE'))
    }
    assert.equal(second.requests.length, 0)
  })

  test('a store that joins brings its lists along; they come back when the database is lost', async () => {
    emptyDatabase(server)
    await using folder = await storeFolder()
    {
      await using alone = await folder.open()
      await alone.pins.add(pattern('node:20'))
      await alone.trusted.add({ repository: a, digest: one, addedAt: 5 })
      await alone.runs.choose('1', '', { repository: a, tag: 'latest', digest: one, at: now() })
    }
    await using other = await sharedStore(server, { now })
    await other.runs.choose('1', '', { repository: a, tag: 'latest', digest: two, at: now() })
    const joined = {}
    await using joining = await sharedStore(server, { now, folder, joined })
    await eventually(async () => (await patternsOf(other)).length === 1)
    await eventually(async () => (await other.trusted.of(a)).has(one))
    // What it had chosen for itself is not what the others have.
    assert.equal(await joining.runs.chosen('1', a, 'latest'), two)
    assert.equal(await other.pins.remove(pattern('node:20')), true)
    await eventually(async () => (await patternsOf(joining)).length === 0)
    server.sql('TRUNCATE entrepot_trusted; UPDATE entrepot_identity SET id = md5(id)')
    await using later = await sharedStore(server, { now })
    assert.equal((await later.trusted.of(a)).size, 0)
    await eventually(async () => {
      await joining.poll()
      return (await later.trusted.of(a)).has(one)
    }, 30_000)
  })

  test('of jobs of a run on several replicas that resolve a tag at once, all get what the first one chose', async () => {
    await using all = await replicas(3)
    for (let run = 0; run < 10; run++) {
      const name = `run-${run}`
      const jobs = Array.from({ length: 24 }, (_, i) =>
        all[i % 3]!.runs.choose(name, 'ci', {
          repository: a,
          tag: 'latest',
          digest: blobOf(9, i).digest,
          at: now(),
        }),
      )
      const [first, ...others] = await Promise.all(jobs)
      for (const each of others) assert.equal(each, first)
      for (const each of all) assert.equal(await each.runs.chosen(name, a, 'latest'), first)
    }
    await all[0]!.runs.pulled('run-3', a, two)
    await all[1]!.runs.pulled('run-3', a, two)
    const records = await Promise.all(all.map((each) => each.runs.record('run-3')))
    assert.deepEqual(records[0]?.tags[0]?.manifests, [two])
    for (const record of records) assert.deepEqual(record, records[0])
  })

  test('what a run has chosen costs no statement afterwards, and outlives the database being away', async () => {
    await using all = await replicas(2)
    const choice = { repository: a, tag: 'latest', digest: one, at: now() }
    await all[0]!.runs.choose('1', 'ci', choice)
    assert.equal(await all[1]!.runs.chosen('1', a, 'latest'), one)
    await all[1]!.runs.pulled('1', a, two)
    await all[1]!.runs.pulled('1', a, two)
    await server.stop()
    try {
      for (const each of all) assert.equal(await each.runs.chosen('1', a, 'latest'), one)
      await all[1]!.runs.pulled('1', a, two)
      // Two replicas might choose two digests.
      for (const attempt of [
        () => all[0]!.runs.chosen('1', a, 'other'),
        () => all[0]!.runs.chosen('2', a, 'latest'),
        () => all[0]!.runs.choose('2', 'ci', choice),
        () => all[0]!.runs.record('1'),
        () => all[0]!.pins.add(pattern('node:20')),
        () => all[0]!.trusted.add({ repository: a, digest: one, addedAt: 1 }),
      ])
        await assert.rejects(attempt, (error) => isRegistryError(error, 'STORAGE'))
      assert.deepEqual(await all[0]!.pins.list(), [])
    } finally {
      await server.start()
    }
    const chosen = () => all[0]!.runs.choose('2', 'ci', choice).catch(() => undefined)
    await eventually(async () => (await chosen()) === one, 10_000)
  })

  test('a run that is forgotten for room is forgotten by all', async () => {
    await using all = await replicas(2)
    const choose = (of: SharedStore, run: string) =>
      of.runs.choose(run, 'ci', { repository: a, tag: 'latest', digest: one, at: now() })
    await choose(all[0]!, 'oldest')
    assert.equal(await all[1]!.runs.chosen('oldest', a, 'latest'), one)
    server.sql(`INSERT INTO entrepot_runs (name, client, started_at, entries)
      SELECT 'n' || i, 'ci', ${now() + 1_000}, 0 FROM generate_series(1, 10000) i`)
    // Not every choice is counted.
    for (let i = 0; i < 25; i++) await choose(all[0]!, `later-${i}`)
    assert.equal(server.sql("SELECT count(*) FROM entrepot_runs WHERE name = 'oldest'").trim(), '0')
    for (const each of all)
      await eventually(async () => (await each.runs.chosen('oldest', a, 'latest')) === undefined)
  })

  test('one replica does a job of the clock; another one goes on when it dies', async () => {
    emptyDatabase(server)
    const { signal } = new AbortController()
    const databases = [databaseOf(server), databaseOf(server), databaseOf(server)]
    const leases = databases.map((database) => leasesOf(database))
    const jobs = leases.map((each, i) =>
      sharedJobs({ leases: each, database: databases[i]!, lookEvery: 100 }),
    )
    try {
      let runs = 0
      const work = async () => void (runs += 1)
      await Promise.all(jobs.map((each) => each.once('mirror[0]', 1_000, work, signal)))
      assert.equal(runs, 1)
      // A replica whose clock is late asks for the same.
      await jobs[2]!.once('mirror[0]', 1_000, work, signal)
      assert.equal(runs, 1)
      await jobs[2]!.once('mirror[0]', 2_000, work, signal)
      assert.equal(runs, 2)

      const begun = Promise.withResolvers<void>()
      void jobs[0]!
        .once('mirror[0]', 3_000, () => (begun.resolve(), new Promise(() => {})), signal)
        .catch(() => {})
      await begun.promise
      const followers = [1, 2].map((i) => jobs[i]!.once('mirror[0]', 3_000, work, signal))
      const early = await Promise.race([
        followers[0],
        new Promise((resolve) => setTimeout(resolve, 7_000, 'no')),
      ])
      assert.equal(early, 'no', 'its lease is renewed as long as it lives')
      assert.equal(runs, 2)
      await databases[0]![Symbol.asyncDispose]()
      await Promise.all(followers)
      assert.equal(runs, 3)
    } finally {
      for (const each of leases) await each[Symbol.asyncDispose]()
      for (const each of databases.slice(1)) await each[Symbol.asyncDispose]()
    }
  })

  test('a job that a replica with a clock in the future has done is still done when it is due', async () => {
    emptyDatabase(server)
    await using database = databaseOf(server)
    const leases = leasesOf(database)
    const jobs = sharedJobs({ leases, database, lookEvery: 100 })
    const { signal } = new AbortController()
    let runs = 0
    const at = (due: number) => jobs.once('mirror[0]', due, async () => void (runs += 1), signal)
    const due = () => server.sql("SELECT due FROM entrepot_jobs_done WHERE job = 'mirror[0]'").trim()
    try {
      await at(now() + 86_400_000)
      const today = now() - 5_000
      await at(today)
      assert.equal(runs, 2)
      assert.equal(due(), `${today}`)
      await at(now() + 86_400_000)
      assert.equal(due(), `${today}`)
      // As an earlier version has written it.
      server.sql(`UPDATE entrepot_jobs_done SET due = ${now() + 86_400_000}`)
      await at(today + 1)
      assert.equal(runs, 4)
      assert.equal(due(), `${today + 1}`)
      await at(today + 1)
      assert.equal(runs, 4)
    } finally {
      await leases[Symbol.asyncDispose]()
    }
  })

  test('one replica sweeps for all, and another one when it dies', async () => {
    emptyDatabase(server)
    const gone = databaseOf(server)
    await using other = databaseOf(server)
    const holder = leasesOf(gone)
    await using next = leasesOf(other)
    assert.equal(await holder.keep('lead sweep'), true)
    assert.equal(await next.keep('lead sweep'), false)
    assert.equal(await holder.keep('lead sweep'), true)
    await gone[Symbol.asyncDispose]()
    await eventually(() => next.keep('lead sweep'), 10_000)
    await holder[Symbol.asyncDispose]()
    assert.equal(await next.keep('lead sweep'), true)
  })

  test('replicas take turns to look whether a host is back; without the database each does', async () => {
    emptyDatabase(server)
    await using database = databaseOf(server)
    await using one = leasesOf(database)
    await using other = leasesOf(database)
    assert.equal(await one.turn('probe docker.io', 1_000), true)
    assert.equal(await other.turn('probe docker.io', 1_000), false)
    await eventually(async () => (await other.turn('probe docker.io', 60_000)) === true, 5_000)
    assert.equal(await one.turn('probe docker.io', 1_000), false)
    await server.stop()
    try {
      assert.equal(await one.turn('probe docker.io', 1_000), undefined)
    } finally {
      await server.start()
    }
  })
})
