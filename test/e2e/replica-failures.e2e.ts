/** Three replicas of which each has another trouble: cut off, with a wrong clock, or with a database that fails over. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type Blob, blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { relay, type Relay } from '../support/relay.ts'
import { runCommand } from '../support/run-command.ts'
import { RGW } from './cluster/ceph-rgw.ts'
import { withoutPostgres } from './cluster/postgres.ts'
import { pullBlob } from './cluster/pull-blob.ts'
import { cluster, type Cluster, type Replica } from './cluster/replicas.ts'
import { missing } from './support/processes.ts'

const MiB = 1024 * 1024
const DAY_AHEAD = join(import.meta.dirname, 'cluster', 'day-ahead.ts')
/** A port of which connections are refused. */
const NOWHERE = 1

interface Ways {
  readonly database: Relay
  readonly peers: Relay
  readonly upstream: Relay
}

suite('replicas in trouble', { skip: missing('nginx', ...RGW) || withoutPostgres }, () => {
  const resources = new AsyncDisposableStack()
  const ways: Ways[] = []
  let all: Cluster
  let seed = 5_000
  before(async () => {
    all = resources.use(
      await cluster({
        config: { views: { run: true }, cache: { tags: [{ match: '.*', fresh: '1s' }] } },
        async of(replica, { database, upstream, port }) {
          const way = {
            database: resources.use(await relay(database.port)),
            peers: resources.use(await relay(port)),
            upstream: resources.use(await relay(Number(new URL(upstream.url).port))),
          }
          ways.push(way)
          return {
            database: `postgres://entrepot@127.0.0.1:${way.database.port}/entrepot`,
            advertise: way.peers.url,
            upstream: way.upstream.url,
            // The clock of the last one is wrong in all tests.
            node: replica === 2 ? ['--import', DAY_AHEAD] : [],
          }
        },
      }),
    )
  })
  after(() => resources.disposeAsync())

  const portOf = ({ url }: { readonly url: string }) => Number(new URL(url).port)
  const cut = (way: Relay) => {
    way.target = NOWHERE
    way.cut()
  }
  function newBlob(size: number): Blob {
    const blob = blobOf(size, ++seed)
    all.upstream.addBlob(blob.bytes)
    return blob
  }
  function newImage(name: string, tag = 'latest') {
    const layer = newBlob(2_000)
    const manifest = manifestOf([layer.bytes])
    all.upstream.addBlob(Buffer.from('{}'))
    all.upstream.addManifest(`library/${name}`, tag, manifest, OCI_MANIFEST)
    return digestOf(manifest)
  }
  const pathOf = ({ digest }: Blob) => `/v2/library/app/blobs/${digest}`
  const sentOf = ({ bytes, digest }: Blob) => all.upstream.bodyBytes(new RegExp(digest)) / bytes.length
  async function digestAt({ url }: Pick<Replica, 'url'>, name: string) {
    const answer = await fetch(`${url}/v2/${name}/manifests/latest`)
    const text = await answer.text()
    return answer.ok ? String(answer.headers.get('docker-content-digest')) : `${answer.status} ${text}`
  }
  const on = (replica: Replica, ...args: readonly string[]) =>
    runCommand([...args, '--server', replica.service!.adminUrl])
  const stateOn = async (replica: Replica) => {
    const { upstreams } = (await (await fetch(`${replica.service!.adminUrl}/api/v1/upstreams`)).json()) as {
      upstreams: readonly { name: string; state: string }[]
    }
    return upstreams.find(({ name }) => name === 'docker.io')?.state
  }

  test('a run has the same image on all, and each tells the same lock file', async () => {
    const first = newImage('run')
    assert.equal(await digestAt(all.replicas[0]!, 'run/ci-1/library/run'), first)
    const moved = newImage('run')
    assert.notEqual(moved, first)
    await eventually(async () => (await digestAt(all.replicas[1]!, 'library/run')) === moved, 20_000)
    for (const replica of all.replicas)
      assert.equal(await digestAt(replica, 'run/ci-1/library/run'), first, replica.url)
    const locks = await Promise.all(all.replicas.map((replica) => on(replica, 'run', 'ci-1', '--lock')))
    assert.match(locks[0]!.stdout, new RegExp(`docker.io/library/run:latest@${first}`))
    for (const { code, stdout } of locks) assert.deepEqual([code, stdout], [0, locks[0]!.stdout])
  })

  test('what is pinned and trusted on one is on all; while the database is away a change fails and says so', async () => {
    const [one, two, three] = all.replicas as [Replica, Replica, Replica]
    const digest = newImage('pinned')
    assert.equal((await on(one, 'pin', 'library/pinned')).code, 0)
    assert.equal((await on(two, 'trust', `library/pinned@${digest}`)).code, 0)
    for (const replica of all.replicas) {
      await eventually(async () => (await on(replica, 'pin')).stdout.includes('library/pinned'), 20_000)
      await eventually(async () => (await on(replica, 'trust')).stdout.includes(digest), 20_000)
    }
    await all.database.stop()
    try {
      const { code, stderr } = await on(three, 'unpin', 'library/pinned')
      assert.equal(code, 1)
      assert.match(stderr, /database of the replicas does not answer, nothing was changed/)
      assert.match((await on(three, 'pin')).stdout, /library\/pinned/)
      assert.match(await digestAt(three, 'run/ci-1/library/run'), /^sha256:/)
      assert.match(await digestAt(three, 'run/ci-2/library/run'), /^503 .*database does not answer/)
      assert.match(await digestAt(three, 'library/run'), /^sha256:/)
    } finally {
      await all.database.start()
    }
    await eventually(async () => (await on(three, 'unpin', 'library/pinned')).code === 0, 20_000)
    for (const replica of all.replicas)
      await eventually(async () => !(await on(replica, 'pin')).stdout.includes('library/pinned'), 20_000)
  })

  test('a replica whose clock is a day ahead reads along, and sees what the others see', async () => {
    const ahead = all.replicas[2]!
    // It learns at its first look how far its clock is from that of the database.
    await eventually(async () => {
      const blob = newBlob(4 * MiB)
      all.upstream.on(new RegExp(blob.digest), { bytesPerSecond: 4 * MiB, times: 9 })
      const pulled = await Promise.all(all.replicas.map(({ url }) => pullBlob(url + pathOf(blob), 3)))
      for (const { digest } of pulled) assert.equal(digest, blob.digest)
      return sentOf(blob) < 1.05
    }, 60_000)
    const first = newImage('clock')
    for (const replica of all.replicas) assert.equal(await digestAt(replica, 'library/clock'), first)
    assert.equal(await digestAt(ahead, 'run/clock/library/clock'), first)
    const moved = newImage('clock')
    for (const replica of all.replicas)
      await eventually(async () => (await digestAt(replica, 'library/clock')) === moved, 30_000)
    for (const replica of all.replicas)
      assert.equal(await digestAt(replica, 'run/clock/library/clock'), first)
  })

  test('a replica that reaches neither the database nor the others serves, and tells it all afterwards', async () => {
    const [, , alone] = all.replicas as [Replica, Replica, Replica]
    const known = newBlob(300_000)
    for (const { url } of all.replicas)
      assert.equal((await pullBlob(url + pathOf(known))).digest, known.digest)
    const { database, peers } = ways[2]!
    cut(database)
    cut(peers)
    const blobs: Blob[] = []
    try {
      for (let i = 0; i < 10; i++) {
        assert.equal((await pullBlob(alone.url + pathOf(known))).digest, known.digest)
        const blob = newBlob(300_000)
        blobs.push(blob)
        // Each side on its own, at the same time: who cannot be read along from is not waited for long.
        const sides = [alone, all.replicas[0]!].map(({ url }) => pullBlob(url + pathOf(blob)))
        for (const { digest } of await Promise.all(sides)) assert.equal(digest, blob.digest)
        assert.ok(sentOf(blob) <= 2.01, `${sentOf(blob)}`)
      }
      await digestAt(alone, 'library/run')
    } finally {
      database.target = all.database.port
      peers.target = portOf(alone)
    }
    await eventually(() => {
      const linked = new Set(all.database.sql('SELECT digest FROM entrepot_links').split('\n'))
      return blobs.every(({ digest }) => linked.has(digest))
    }, 60_000)
    for (const blob of blobs) {
      const before = sentOf(blob)
      for (const { url } of all.replicas)
        assert.equal((await pullBlob(url + pathOf(blob))).digest, blob.digest)
      assert.equal(sentOf(blob), before)
    }
  })

  test('SEC-72: a replica whose own network is broken does not shut the others; the outage of all is known to all', async () => {
    const [broken, idle, well] = all.replicas as [Replica, Replica, Replica]
    cut(ways[0]!.upstream)
    try {
      await eventually(async () => {
        await pullBlob(broken.url + pathOf(newBlob(10))).catch(() => {})
        return (await stateOn(broken)) === 'out'
      }, 30_000)
      for (let i = 0; i < 10; i++) {
        const blob = newBlob(1_000)
        assert.equal((await pullBlob(well.url + pathOf(blob))).digest, blob.digest)
      }
      assert.equal(await stateOn(well), 'up')
      assert.equal(await stateOn(idle), 'up')
      for (const { upstream } of ways) cut(upstream)
      // One of them finds it out by its clients. Nobody pulls at the other one.
      await eventually(async () => {
        await pullBlob(well.url + pathOf(newBlob(10))).catch(() => {})
        return (await stateOn(well)) === 'out'
      }, 30_000)
      await eventually(async () => (await stateOn(idle)) === 'out', 30_000)
    } finally {
      for (const { upstream } of ways) upstream.target = portOf(all.upstream)
    }
    for (const replica of all.replicas)
      await eventually(async () => (await stateOn(replica)) === 'up', 180_000)
  })

  test('what a command changes while its replica is stopped holds on all', async () => {
    const [one, , stopped] = all.replicas as [Replica, Replica, Replica]
    newImage('kept')
    newImage('dropped')
    for (const name of ['kept', 'dropped'])
      for (const replica of all.replicas) assert.match(await digestAt(replica, `library/${name}`), /^sha256:/)
    await stopped.stop()
    const here = (...args: readonly string[]) =>
      runCommand([...args, '--config', join(stopped.folder, 'proxy.config.yaml')])
    assert.deepEqual(await here('pin', 'library/kept').then(({ code, stderr }) => [code, stderr]), [0, ''])
    assert.equal((await here('purge', 'library/dropped')).code, 0)
    await eventually(async () => (await on(one, 'pin')).stdout.includes('library/kept'), 20_000)
    await eventually(async () => !(await on(one, 'ls')).stdout.includes('library/dropped'), 20_000)
    await stopped.start()
    assert.ok((await on(stopped, 'pin')).stdout.includes('library/kept'))
  })

  test('PostgreSQL fails over to a standby under load: no pull fails, and pins and runs stay', async (t) => {
    await using standby = await all.database.standby()
    const [one] = all.replicas as [Replica]
    const image = newImage('failover')
    assert.equal((await on(one, 'pin', 'library/failover')).code, 0)
    assert.equal(await digestAt(one, 'run/failover/library/failover'), image)
    const replayed = () =>
      all.database
        .sql('SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()')
        .trim()
    await eventually(() => replayed() === '1', 60_000)
    newImage('failover')
    const failures: string[] = []
    const stop = new AbortController()
    const load = (async () => {
      while (!stop.signal.aborted) {
        const blob = newBlob(50_000)
        for (const { url } of all.replicas) {
          const { digest } = await pullBlob(url + pathOf(blob)).catch((error: unknown) => ({
            digest: String(error),
          }))
          if (digest !== blob.digest) failures.push(digest)
        }
      }
    })()
    await all.database.stop()
    for (const { database } of ways) database.cut()
    const begun = performance.now()
    await standby.promote()
    for (const { database } of ways) database.target = standby.port
    await eventually(async () => (await on(one, 'pin', 'library/afterwards')).code === 0, 60_000)
    t.diagnostic(
      `pins again ${((performance.now() - begun) / 1000).toFixed(1)} s after the end of the primary`,
    )
    stop.abort()
    await load
    assert.deepEqual(failures, [])
    for (const replica of all.replicas) {
      await eventually(async () => {
        const { stdout } = await on(replica, 'pin')
        return stdout.includes('library/afterwards') && stdout.includes('library/failover')
      }, 30_000)
      assert.equal(await digestAt(replica, 'run/failover/library/failover'), image)
    }
    await all.database.start()
    for (const { database } of ways) {
      database.target = all.database.port
      database.cut()
    }
  })
})
