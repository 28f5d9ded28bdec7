/** The index that replicas share, on a real PostgreSQL. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { sharedTags } from '../../src/cluster/index/shared-tags.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeS3, S3_CONFIG } from '../s3/fake-s3.ts'
import { pattern } from '../storage/images.ts'
import { openStore, put } from '../storage/setup.ts'
import { runEntrepot } from '../support/child.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { databaseOf, leasesOf } from './cluster/database.ts'
import { postgres, type Postgres, withoutPostgres } from './cluster/postgres.ts'
import { emptyDatabase, sharedStore } from './cluster/shared-store.ts'

const a = { upstream: 'docker.io', name: 'library/a' }
const DAY = 86_400_000
const same = (instant: number): number => instant

suite('PostgreSQL', { skip: withoutPostgres }, () => {
  const resources = new AsyncDisposableStack()
  let server: Postgres
  before(async () => {
    server = resources.use(await postgres())
  })
  after(() => resources.disposeAsync())

  const replica = (now: () => number) => sharedStore(server, { now })

  const emptied = (): void => emptyDatabase(server)

  test('a replica that is asked for a tag for the first time has its whole past', async () => {
    emptied()
    await using writer = await replica(Date.now)
    await using reader = await replica(Date.now)
    const set = (tag: string, seed: number, at: number, goneAt?: number) =>
      writer.tags.set(a, tag, { digest: blobOf(9, seed).digest, checkedAt: at, ...(goneAt && { goneAt }) })
    for (const [i, seed] of [1, 1, 2, 1].entries()) await set('moved', seed, 10 + i)
    await set('deleted', 1, 10)
    await set('deleted', 1, 20, 20)
    await set('back', 1, 10)
    await set('back', 1, 20, 20)
    await set('back', 1, 30)
    for (const tag of ['moved', 'deleted', 'back', 'never']) {
      assert.deepEqual(await reader.tags.get(a, tag), await writer.tags.get(a, tag), tag)
      assert.deepEqual(await reader.tags.history(a, tag), await writer.tags.history(a, tag), tag)
      assert.deepEqual(await reader.tags.past(a, tag), await writer.tags.past(a, tag), tag)
    }
  })

  test('a store that is migrated tells its links, and its tags with their past; once, however often', async () => {
    emptied()
    await using temp = await tempFolder()
    await using s3 = await fakeS3()
    const root = join(temp.path, 'data')
    const digests = [1, 2, 3].map((seed) => blobOf(90, seed).digest)
    const expected = await (async () => {
      await using store = await openStore(root)
      for (const seed of [1, 2, 3]) await put(store, blobOf(90, seed), OCI_MANIFEST)
      for (const digest of digests) await store.links.add(a, digest, OCI_MANIFEST)
      const set = (tag: string, i: number, checkedAt: number, goneAt?: number) =>
        store.tags.set(a, tag, { digest: digests[i]!, checkedAt, ...(goneAt && { goneAt }) })
      for (const [i, which] of [0, 1, 0, 2].entries()) await set('moved', which, 1_000 + i)
      await set('back', 0, 1_000)
      await set('back', 0, 1_500, 1_500)
      await set('back', 1, 2_000)
      return Promise.all(['moved', 'back'].map((tag) => store.tags.past(a, tag)))
    })()
    const file = join(temp.path, 'proxy.config.yaml')
    const secretFile = join(temp.path, 'secret')
    await writeFile(secretFile, 'a secret of all replicas')
    const config = {
      storage: { root, s3: { ...S3_CONFIG, endpoint: s3.url }, index: { postgres: server.url } },
      cluster: { advertise: 'http://127.0.0.1:1', secretFile },
    }
    await writeFile(file, stringify(config))
    for (let round = 0; round < 2; round++) {
      const { code, stderr } = await runEntrepot('migrate', 'store', '--to', 's3', '--config', file)
      assert.equal(code, 0, stderr)
    }
    await using reader = await replica(Date.now)
    assert.deepEqual(await Promise.all(['moved', 'back'].map((tag) => reader.tags.past(a, tag))), expected)
    for (const digest of digests) assert.equal(await reader.links.mediaType(a, digest), OCI_MANIFEST)
  })

  test('tags that nobody checks are forgotten with their past, but for what is pinned and retained', async () => {
    emptied()
    let now = 100 * DAY
    const retained = [{ match: pattern('library/a:v*'), keep: 30 * DAY }]
    const options = { now: () => now, pinned: [pattern('library/a:pinned')], retained }
    await using replica = await sharedStore(server, options)
    const tags = ['v1', 'v-removed', 'pinned', 'pinned-removed', 'other', 'other-removed']
    const all = [...tags, ...Array.from({ length: 1200 }, (_, i) => `many-${i}`)]
    const [before, digest] = [blobOf(9, 1).digest, blobOf(9, 2).digest]
    await using database = databaseOf(server, () => now)
    const shared = sharedTags(Object.assign(database, { toShared: same, fromShared: same }))
    for (const tag of all) {
      if (tags.includes(tag)) await shared.set(a, tag, { digest: before, checkedAt: now - 1 })
      await shared.set(a, tag, { digest, checkedAt: now })
      if (tag.endsWith('-removed')) await shared.remove(a, tag, now)
    }
    const left = async () => {
      await replica.tags.removeUnusedSince(now - 7 * DAY)
      const logs = server.sql('SELECT tag, count(*) FROM entrepot_tag_log GROUP BY tag ORDER BY tag').trim()
      const names = server.sql('SELECT tag FROM entrepot_tags ORDER BY tag').trim().split('\n')
      assert.deepEqual(
        logs
          .split('\n')
          .map((line) => line.split('|')[0])
          .toSorted(),
        [...names].toSorted(),
      )
      return new Set(names)
    }
    assert.equal((await left()).size, all.length)
    now += 8 * DAY
    await shared.set(a, 'many-700', { digest, checkedAt: now })
    assert.deepEqual(await left(), new Set(['many-700', 'pinned', 'v-removed', 'v1']))
    now += 25 * DAY
    assert.deepEqual(await left(), new Set(['pinned']))
  })

  test('of a tag that moves often, the first sight and the latest 99 are kept', async () => {
    emptied()
    await using database = databaseOf(server)
    const shared = sharedTags(database)
    const set = (tag: string, at: number) =>
      shared.set(a, tag, { digest: blobOf(9, at).digest, checkedAt: at * 1000 })
    for (let at = 1; at <= 5; at++) await set('other', at)
    for (let at = 1; at <= 130; at++) {
      await set('moved', at)
      await set('moved', at)
    }
    const log = await shared.log(a, 'moved')
    assert.deepEqual(
      log.map(({ digest }) => digest),
      [1, ...Array.from({ length: 99 }, (_, i) => 32 + i)].map((at) => blobOf(9, at).digest),
    )
    assert.equal((await shared.log(a, 'other')).length, 5)
  })

  test('what one replica may read, another may read too', async () => {
    emptied()
    await using writer = await replica(Date.now)
    await using reader = await replica(Date.now)
    const { digest } = blobOf(9)
    const b = { ...a, name: 'library/b' }
    await writer.links.add(a, digest, 'type/a')
    assert.equal(await reader.links.has(a, digest), true)
    assert.equal(await reader.links.mediaType(a, digest), 'type/a')
    assert.equal(await reader.links.has(b, digest), false)
    assert.equal(await reader.links.knows(a.upstream, digest), true)
    assert.equal(await reader.links.knows('ghcr.io', digest), false)
    assert.equal(await reader.links.isLinked(digest), true)
    assert.equal(await reader.links.isLinked(blobOf(8).digest), false)
  })

  test('of sixteen that claim a lease one gets it; the next one when it is released', async () => {
    emptied()
    const databases = [databaseOf(server), databaseOf(server)]
    const all = Array.from({ length: 16 }, (_, i) => leasesOf(databases[i % 2]!))
    const claims = await Promise.all(all.map((leases) => leases.claim('x', 'library/a')))
    const winner = claims.indexOf('own')
    assert.equal(claims.filter((claim) => claim === 'own').length, 1)
    for (const claim of claims)
      if (claim !== 'own') assert.equal((claim as { detail: string }).detail, 'library/a')
    await all[winner]!.release('x')
    assert.equal(await all[(winner + 1) % 16]!.claim('x'), 'own')
    for (const leases of all) await leases[Symbol.asyncDispose]()
    for (const database of databases) await database[Symbol.asyncDispose]()
  })

  test('a lease is renewed while it is held, and moves when its holder is gone', async () => {
    emptied()
    await using database = databaseOf(server)
    await using other = databaseOf(server)
    const gone = databaseOf(server)
    const holder = leasesOf(gone)
    await using waiter = leasesOf(other)
    assert.equal(await holder.claim('x'), 'own')
    await using _unused = leasesOf(database)
    await sleep(6_000)
    assert.notEqual(await waiter.claim('x'), 'own')
    await gone[Symbol.asyncDispose]()
    const begun = performance.now()
    await eventually(async () => (await waiter.claim('x')) === 'own', 8_000)
    assert.ok(performance.now() - begun < 6_000)
  })

  test('a process that begins where another one was does not wait for that one', async () => {
    emptied()
    await using database = databaseOf(server)
    await using other = databaseOf(server)
    const killed = leasesOf(database, 'http://10.0.0.5:5000')
    await using next = leasesOf(other, 'http://10.0.0.5:5000')
    await using neighbour = leasesOf(other)
    assert.equal(await killed.claim('x'), 'own')
    assert.notEqual(await neighbour.claim('x'), 'own')
    assert.equal(await next.claim('x'), 'own')
    assert.notEqual(await neighbour.claim('x'), 'own')
  })

  test('a change of a tag reaches another replica at once, and after the connection was cut', async () => {
    emptied()
    const [writer, reader] = [await replica(Date.now), await replica(Date.now)]
    const set = (seed: number) =>
      writer.tags.set(a, 'latest', { digest: blobOf(9, seed).digest, checkedAt: Date.now() })
    const sees = async (seed: number) =>
      (await reader.tags.get(a, 'latest'))?.digest === blobOf(9, seed).digest
    await set(1)
    assert.ok(await sees(1))
    await eventually(
      () => server.sql("SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN entrepot'").trim() >= '2',
    )
    await sleep(5)
    await set(2)
    const begun = performance.now()
    await eventually(() => sees(2), 900)
    assert.ok(performance.now() - begun < 900)
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'entrepot'")
    await eventually(async () => (await set(3).then(() => true)) && sees(3), 5_000)
    await writer[Symbol.asyncDispose]()
    await reader[Symbol.asyncDispose]()
  })

  test('while it is away what is known here answers, and what it missed is told afterwards', async () => {
    emptied()
    const [writer, reader] = [await replica(Date.now), await replica(Date.now)]
    const { digest } = blobOf(9, 7)
    await writer.tags.set(a, 'kept', { digest, checkedAt: Date.now() })
    await server.stop()
    try {
      await writer.links.add(a, digest, 'type/a')
      await writer.tags.set(a, 'new', { digest, checkedAt: Date.now() })
      assert.equal(await writer.links.has(a, digest), true)
      assert.equal((await writer.tags.get(a, 'kept'))?.digest, digest)
      assert.equal(await reader.tags.get(a, 'kept'), undefined)
      assert.equal(await reader.links.has(a, digest), false)
      assert.equal(await reader.links.isLinked(digest), true)
      await assert.rejects(databaseOf(server).query('SELECT 1'), (error) => isRegistryError(error, 'STORAGE'))
    } finally {
      await server.start()
    }
    await eventually(async () => (await reader.tags.get(a, 'kept'))?.digest === digest, 10_000)
    await writer[Symbol.asyncDispose]()
    await reader[Symbol.asyncDispose]()
  })
})
