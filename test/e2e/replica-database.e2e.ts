/** The database of running replicas is emptied, damaged or made anew: they go on, and fill it again. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Status } from '../../src/ports/insight/insight.ts'
import { runEntrepot } from '../support/child.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { RGW } from './cluster/ceph-rgw.ts'
import { withoutPostgres } from './cluster/postgres.ts'
import { pullBlob } from './cluster/pull-blob.ts'
import { cluster, type Cluster } from './cluster/replicas.ts'
import { missing } from './support/processes.ts'

suite('a database that has lost something', { skip: missing('nginx', ...RGW) || withoutPostgres }, () => {
  const resources = new AsyncDisposableStack()
  let all: Cluster
  let count = 0
  before(async () => {
    all = resources.use(await cluster({ replicas: 2 }))
  })
  after(() => resources.disposeAsync())

  const entrepot = async (replica: number, ...args: readonly string[]) => {
    const { adminUrl } = all.replicas[replica]!.service!
    const { code, stdout, stderr } = await runEntrepot(...args, '--server', adminUrl)
    assert.equal(code, 0, stderr)
    return stdout
  }
  const rowsOf = (table: string, where = 'true') =>
    Number(all.database.sql(`SELECT count(*) FROM entrepot_${table} WHERE ${where}`))

  for (const [name, lose] of [
    [
      'all of its tables, at once',
      () => all.database.sql('DROP SCHEMA public CASCADE; CREATE SCHEMA public'),
    ],
    ['some of its tables', () => all.database.sql('DROP TABLE entrepot_links, entrepot_pins')],
    [
      'all of its rows',
      () =>
        all.database.sql(
          `DO $$ BEGIN EXECUTE (SELECT 'TRUNCATE ' || string_agg(tablename, ', ')
             FROM pg_tables WHERE tablename LIKE 'entrepot_%'); END $$`,
        ),
    ],
    [
      'itself',
      () => {
        all.database.sql('DROP DATABASE entrepot WITH (FORCE)', 'postgres')
        all.database.sql('CREATE DATABASE entrepot', 'postgres')
      },
    ],
  ] as const) {
    test(`${name}: replicas make it again and tell what they know, without a restart or a failed pull`, async (t) => {
      count += 1
      const repository = `library/lost-${count}`
      const layer = blobOf(200_000, count)
      const manifest = manifestOf([layer.bytes])
      all.upstream.addBlob(layer.bytes)
      all.upstream.addManifest(repository, 'latest', manifest, OCI_MANIFEST)
      const manifestPath = `/v2/${repository}/manifests/latest`
      const layerPath = `/v2/${repository}/blobs/${layer.digest}`
      const pull = async (url: string): Promise<void> => {
        const answer = await fetch(url + manifestPath)
        assert.equal(answer.status, 200)
        assert.equal(digestOf(Buffer.from(await answer.arrayBuffer())), digestOf(manifest))
        assert.equal((await pullBlob(url + layerPath)).digest, layer.digest)
      }
      await pull(all.replicas[0]!.url)
      await entrepot(0, 'pin', `docker.io/${repository}:latest`)
      const isPinnedOn = async (replica: number) => (await entrepot(replica, 'pin')).includes(repository)
      await eventually(() => isPinnedOn(1))
      await eventually(
        async () => (await all.replicas[0]!.metric('entrepot_s3_waiting_uploads')) === 0,
        30_000,
      )

      lose()
      const lostAt = performance.now()
      const ofThis = `repository = '${repository}'`
      let pulls = 0
      await eventually(async () => {
        await pull(all.replicas[0]!.url)
        pulls += 2
        return (
          all.database.sql("SELECT to_regclass('entrepot_pins')").trim() !== '' &&
          rowsOf('pins', `pattern LIKE '%${repository}%'`) === 1 &&
          rowsOf('links', ofThis) >= 2 &&
          rowsOf('tags', ofThis) === 1 &&
          rowsOf('replicas') === 2
        )
      }, 60_000)
      t.diagnostic(
        `whole again after ${((performance.now() - lostAt) / 1000).toFixed(1)} s, ${pulls} pulls meanwhile`,
      )
      // They are one cluster again: what one is told, both know.
      await entrepot(1, 'pin', 'docker.io/library/later')
      await eventually(async () => (await entrepot(0, 'pin')).includes('library/later'))
      await entrepot(0, 'unpin', 'docker.io/library/later')
      await eventually(async () => !(await entrepot(1, 'pin')).includes('library/later'))
      assert.ok((await isPinnedOn(0)) && (await isPinnedOn(1)))
      await eventually(async () => {
        const { adminUrl } = all.replicas[0]!.service!
        const status = (await (await fetch(`${adminUrl}/api/v1/upstreams`)).json()) as Status
        return status.cluster!.replicas?.length === 2 && status.cluster!.untold === 0
      })
      // What the other replica proved needs no proof: it is read from the bucket.
      const asked = all.upstream.requests.length
      await all.upstream.stop()
      try {
        await pull(all.replicas[1]!.url)
      } finally {
        await all.upstream.start()
      }
      assert.equal(all.upstream.requests.length, asked)
      const errors = all.replicas.flatMap(({ service }) =>
        service!.log().filter(({ level, msg }) => Number(level) >= 50 || msg === 'unhandled'),
      )
      assert.deepEqual(errors, [])
    })
  }
})
