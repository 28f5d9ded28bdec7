/** Several replicas on Ceph RGW and PostgreSQL, behind nginx. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Status } from '../../src/ports/insight/insight.ts'
import { runEntrepot } from '../support/child.ts'
import { type Blob, blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { RGW } from './cluster/ceph-rgw.ts'
import { withoutPostgres } from './cluster/postgres.ts'
import { pullAll } from './cluster/pull-all.ts'
import { pullBlob } from './cluster/pull-blob.ts'
import { cluster, type Cluster, median } from './cluster/replicas.ts'
import { missing } from './support/processes.ts'

const MiB = 1024 * 1024
/** MiB of the blob that 200 clients pull at once: 50 GiB in all, a minute and a half on two cores. */
const SIZE = Number(process.env['E2E_REPLICAS_MIB'] ?? 256)
/** MiB that upstream may send in vain: 1.00 × of 256 MiB. */
const MOST_IN_VAIN = 1.25
/** Seconds that the database, and then S3, are away. */
const OUTAGE = Number(process.env['E2E_REPLICAS_OUTAGE'] ?? 30)

suite('three replicas', { skip: missing('nginx', ...RGW) || withoutPostgres }, () => {
  const resources = new AsyncDisposableStack()
  let all: Cluster
  let seed = 0
  before(async () => {
    all = resources.use(await cluster())
  })
  after(() => resources.disposeAsync())

  function newBlob(size: number): Blob {
    seed += 1
    const blob = blobOf(size, seed)
    all.upstream.addBlob(blob.bytes)
    return blob
  }

  const pathOf = ({ digest }: Blob, repository = 'library/app') => `/v2/${repository}/blobs/${digest}`
  /** What the replicas have logged of failures. */
  const troubles = () =>
    all.replicas.flatMap(({ service }) =>
      (service?.log() ?? [])
        .filter(({ level, error, aborted }) => Number(level) > 30 || error !== undefined || aborted === true)
        .map((entry) => JSON.stringify(entry)),
    )
  const sentOf = ({ bytes, digest }: Blob) => all.upstream.bodyBytes(new RegExp(digest)) / bytes.length

  test('200 clients on a cold blob: upstream sends it once, every hash is right, nobody is cut off', async (t) => {
    const blob = newBlob(SIZE * MiB + 7)
    const pulled = await pullAll(Array.from({ length: 200 }, () => all.url + pathOf(blob))).catch(
      (error: unknown) => {
        for (const line of [...troubles().slice(0, 20), ...all.balancer().slice(-20)]) t.diagnostic(line)
        throw error
      },
    )
    assert.deepEqual(new Set(pulled.map(({ digest }) => digest)), new Set([blob.digest]))
    t.diagnostic(`${SIZE} MiB; upstream sent ${sentOf(blob).toFixed(3)} x`)
    t.diagnostic(`done in ${(Math.max(...pulled.map((each) => each.milliseconds)) / 1000).toFixed(1)} s`)
    const asked = all.upstream.requests
      .filter(({ path }) => path.includes(blob.digest))
      .map(({ headers, sentBytes }) => `${headers['range'] ?? 'all'} (${sentBytes} bytes sent)`)
    t.diagnostic(`asked upstream for ${asked.join(', ')}`)
    // What a socket had taken of a connection that the holder then left counts as sent.
    assert.ok((sentOf(blob) - 1) * SIZE < MOST_IN_VAIN, `${sentOf(blob)}: ${asked.join(', ')}`)
  })

  test('followers on other replicas have their first byte soon after the first one', async (t) => {
    const later: number[] = []
    for (let round = 0; round < 5; round++) {
      const blob = newBlob(4 * MiB)
      all.upstream.on(new RegExp(blob.digest), { bytesPerSecond: 8 * MiB, times: 9 })
      const urls = Array.from({ length: 10 }, (_, i) => all.replicas[i % 3]!.url + pathOf(blob))
      const pulled = await Promise.all(urls.map((url) => pullBlob(url)))
      const first = Math.min(...pulled.map(({ firstByte }) => firstByte))
      later.push(median(pulled.map(({ firstByte }) => firstByte - first)))
      assert.ok(sentOf(blob) < 1.01, `${sentOf(blob)}`)
    }
    t.diagnostic(`first byte after the first client's: ${median(later).toFixed(1)} ms (median of 5 rounds)`)
  })

  test('a large blob that all of them read along is uploaded by one of them', async (t) => {
    const sum = async (name: string): Promise<number> => {
      const counts = await Promise.all(all.replicas.map((each) => each.metric(name)))
      return counts.reduce((total, count) => total + count, 0)
    }
    const sent = () => sum('entrepot_s3_seconds_count{operation="put-part",code="200"}')
    const idle = () => eventually(async () => (await sum('entrepot_s3_waiting_uploads')) === 0, 120_000)
    await idle()
    const before = await sent()
    const blob = newBlob(80 * MiB)
    const pulled = await Promise.all(all.replicas.map(({ url }) => pullBlob(url + pathOf(blob))))
    assert.deepEqual(new Set(pulled.map(({ digest }) => digest)), new Set([blob.digest]))
    await idle()
    const parts = (await sent()) - before
    t.diagnostic(`80 MiB: ${parts} parts of 8 MiB were sent to S3`)
    assert.equal(parts, 10)
  })

  test('a manifest and a tag are asked for once, by whichever replica', async () => {
    const layer = newBlob(1000)
    all.upstream.addBlob(Buffer.from('{}'))
    all.upstream.addManifest('library/once', 'latest', manifestOf([layer.bytes]), OCI_MANIFEST)
    const digest = digestOf(manifestOf([layer.bytes]))
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        fetch(`${all.replicas[i % 3]!.url}/v2/library/once/manifests/latest`),
      ),
    )
    for (const answer of answers) {
      assert.equal(digestOf(Buffer.from(await answer.arrayBuffer())), digest)
      assert.equal(answer.headers.get('content-type'), OCI_MANIFEST)
    }
    const asked = all.upstream.requests.filter(({ path }) => path.startsWith('/v2/library/once/'))
    assert.deepEqual(asked.map(({ method }) => method).toSorted(), ['GET', 'HEAD'])
  })

  test('a warm pull costs no statement, and no request to S3', async (t) => {
    const layer = newBlob(200_000)
    all.upstream.addManifest('library/warm', 'latest', manifestOf([layer.bytes]), OCI_MANIFEST)
    const [{ url, metric }] = [all.replicas[0]!]
    const pull = async (): Promise<void> => {
      await (await fetch(`${url}/v2/library/warm/manifests/latest`)).arrayBuffer()
      assert.equal((await pullBlob(url + pathOf(layer, 'library/warm'))).digest, layer.digest)
    }
    const cost = async (times: number): Promise<readonly number[]> => {
      const names = ['entrepot_shared_index_seconds_count', 'entrepot_s3_seconds_count']
      const before = await Promise.all(names.map((name) => metric.call(all.replicas[0]!, name)))
      for (let i = 0; i < times; i++) await pull()
      const after = await Promise.all(names.map((name) => metric.call(all.replicas[0]!, name)))
      return after.map((count, i) => count - before[i]!)
    }
    const uploads = () => all.replicas[0]!.metric('entrepot_s3_seconds_count{operation="put",code="200"}')
    const uploaded = await uploads()
    const cold = await cost(1)
    t.diagnostic(`a cold tag, manifest and blob: ${cold[0]} statements, ${cold[1]} requests to S3`)
    await eventually(async () => (await uploads()) === uploaded + 2, 30_000)
    await sleep(200)
    const warm = await cost(200)
    t.diagnostic(`200 warm ones: ${warm[0]} statements, ${warm[1]} requests to S3`)
    // An idle replica asks for news now and then, and ends the leases of what came before.
    assert.ok(warm[0]! <= 10, `${warm[0]}`)
    assert.equal(warm[1], 0)
  })

  test('status and metrics tell of every replica, and which one sweeps', async () => {
    const addresses = all.replicas.map(({ url }) => url).toSorted()
    const reports = async () =>
      Promise.all(
        all.replicas.map(async ({ service }) => {
          const status = (await (await fetch(`${service!.adminUrl}/api/v1/upstreams`)).json()) as Status
          return status.cluster!
        }),
      )
    for (const [i, { address, replicas, news, untold }] of (await reports()).entries()) {
      assert.deepEqual([address, news, untold], [all.replicas[i]!.url, 'listening', 0])
      assert.deepEqual(replicas!.map((each) => each.address).toSorted(), addresses)
      assert.deepEqual(
        replicas!.filter(({ isOwn }) => isOwn).map((each) => each.address),
        [address],
      )
      for (const { seenAt, startedAt, version } of replicas!) {
        assert.ok(Date.now() - Date.parse(seenAt) < 60_000 && Date.parse(startedAt) <= Date.parse(seenAt))
        assert.match(version, /^\d+\.\d+/)
      }
    }
    await eventually(async () => (await all.replicas[0]!.metric('entrepot_replicas')) >= 1)
    const text = await (await fetch(`${all.replicas[1]!.service!.adminUrl}/metrics`)).text()
    assert.ok(text.includes(`entrepot_replica_info{address="${all.replicas[1]!.url}"} 1`))
    const told = await runEntrepot('status', '--server', all.replicas[2]!.service!.adminUrl)
    for (const address of addresses) assert.ok(told.stdout.includes(address), told.stdout)
    assert.match(told.stdout, /\(this one\)/)
    // One of them removes what expired, for all.
    all.database.sql(
      `INSERT INTO entrepot_leases VALUES ('lead sweep', 'x', '${addresses[1]}', '', clock_timestamp() + interval '1 minute')
       ON CONFLICT (key) DO UPDATE SET address = excluded.address, expires_at = excluded.expires_at`,
    )
    await eventually(async () => {
      const [{ replicas }] = (await reports()) as [NonNullable<Status['cluster']>]
      return replicas!.find((each) => each.address === addresses[1])!.leads.includes('sweep')
    })
    all.database.sql("DELETE FROM entrepot_leases WHERE key = 'lead sweep'")
  })

  test('what is purged on one replica is gone from all of them', async () => {
    const layer = newBlob(5_000)
    all.upstream.addManifest('library/gone', 'latest', manifestOf([layer.bytes]), OCI_MANIFEST)
    for (const { url } of all.replicas) {
      await (await fetch(`${url}/v2/library/gone/manifests/latest`)).arrayBuffer()
      await pullBlob(url + pathOf(layer, 'library/gone'))
    }
    await eventually(async () => (await all.replicas[0]!.metric('entrepot_s3_waiting_uploads')) === 0)
    const purged = await fetch(`${all.replicas[0]!.service!.adminUrl}/api/v1/purge`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ pattern: 'library/gone' }),
    })
    assert.equal(purged.status, 200)
    await eventually(async () => {
      const images = await Promise.all(
        all.replicas.map(async ({ service }) =>
          (await fetch(`${service!.adminUrl}/api/v1/images?pattern=library/gone`)).json(),
        ),
      )
      return images.every((answer) => (answer as { images: unknown[] }).images.length === 0)
    })
    const before = sentOf(layer)
    assert.equal((await pullBlob(all.replicas[1]!.url + pathOf(layer, 'library/gone'))).digest, layer.digest)
    assert.equal(sentOf(layer), before + 1)
  })

  test('what upstream does not have is asked for once', async () => {
    const { digest } = blobOf(10, 999)
    const path = `/v2/library/app/blobs/${digest}`
    assert.equal((await fetch(all.replicas[0]!.url + path)).status, 404)
    const asked = all.upstream.count('GET', new RegExp(digest))
    await eventually(async () => {
      const before = all.upstream.count('GET', new RegExp(digest))
      const answer = await fetch(all.replicas[1]!.url + path)
      assert.equal(answer.status, 404)
      return all.upstream.count('GET', new RegExp(digest)) === before
    })
    assert.ok(all.upstream.count('GET', new RegExp(digest)) <= asked + 1)
  })

  test('no other repository reads a blob along without the right to it', async () => {
    const blob = newBlob(8 * MiB)
    all.upstream.on(new RegExp(`library/app/blobs/${blob.digest}`), { bytesPerSecond: 4 * MiB, times: 9 })
    all.upstream.on(new RegExp(`private/other/blobs/${blob.digest}`), { status: 404, times: 9 })
    const first = pullBlob(all.replicas[0]!.url + pathOf(blob))
    await eventually(() => sentOf(blob) > 0)
    const other = await fetch(all.replicas[1]!.url + pathOf(blob, 'private/other'))
    assert.equal(other.status, 404)
    assert.equal((await first).digest, blob.digest)
    const peer = await fetch(`${all.replicas[0]!.url}/peer/docker.io/${blob.digest}`)
    assert.equal(peer.status, 404)
  })

  test('the holder is killed at half of a blob: every client completes, the lease moves', async (t) => {
    const blob = newBlob(32 * MiB)
    all.upstream.on(new RegExp(blob.digest), { bytesPerSecond: 8 * MiB, times: 99 })
    const pulling = pullAll(
      Array.from({ length: 30 }, () => all.url + pathOf(blob)),
      20,
    )
    await eventually(() => sentOf(blob) > 0.5, 30_000)
    const address = all.database
      .sql(`SELECT address FROM entrepot_leases WHERE key LIKE 'blob %${blob.digest}'`)
      .trim()
    const holder = all.replicas.find(({ url }) => url === address)!
    const killedAt = performance.now()
    await holder.stop('SIGKILL')
    const moved = () =>
      all.database.sql(`SELECT address FROM entrepot_leases WHERE key LIKE 'blob %${blob.digest}'`).trim()
    await eventually(() => moved() !== address, 10_000)
    t.diagnostic(`the lease moved within ${((performance.now() - killedAt) / 1000).toFixed(1)} s`)
    const pulled = await pulling
    assert.deepEqual(new Set(pulled.map(({ digest }) => digest)), new Set([blob.digest]))
    t.diagnostic(`upstream sent ${sentOf(blob).toFixed(2)} x`)
    assert.ok(sentOf(blob) <= 1.6, `${sentOf(blob)}`)
    await holder.start()
  })

  /** Pulls again and again until it is told to stop. */
  function load(next: () => { readonly path: string; readonly digest: string }, perSecond: number) {
    const stop = new AbortController()
    const failures: string[] = []
    let count = 0
    const pulls: Promise<void>[] = []
    const one = async (): Promise<void> => {
      const { path, digest } = next()
      count += 1
      try {
        const pulled = await pullBlob(all.url + path)
        if (pulled.digest !== digest) failures.push(`wrong bytes of ${path}`)
      } catch (error) {
        failures.push(`${new Date().toISOString()} ${path}: ${String(error)}`)
      }
    }
    const running = (async () => {
      while (!stop.signal.aborted) {
        pulls.push(one())
        await sleep(1000 / perSecond)
      }
      await Promise.all(pulls)
    })()
    return {
      async end() {
        stop.abort()
        await running
        return { failures, count }
      },
    }
  }

  for (const [name, away, back] of [
    ['PostgreSQL', () => all.database.stop(), () => all.database.start()],
    ['S3', async () => all.rgw.freeze(), async () => all.rgw.thaw()],
  ] as const) {
    test(`${name} is away for ${OUTAGE} s under load: no pull fails, and nothing is lost`, async (t) => {
      const warm = Array.from({ length: 5 }, () => newBlob(MiB))
      for (const blob of warm) {
        for (const { url } of all.replicas)
          assert.equal((await pullBlob(url + pathOf(blob))).digest, blob.digest)
      }
      const warmLoad = load(() => {
        const blob = warm[Math.floor(Math.random() * warm.length)]!
        return { path: pathOf(blob), digest: blob.digest }
      }, 10)
      const cold: Blob[] = []
      const coldLoad = load(() => {
        cold.push(newBlob(100_000))
        return { path: pathOf(cold.at(-1)!), digest: cold.at(-1)!.digest }
      }, 2)
      await sleep(1_000)
      await away()
      await sleep(OUTAGE * 1000)
      await back()
      await sleep(3_000)
      const [ofWarm, ofCold] = [await warmLoad.end(), await coldLoad.end()]
      t.diagnostic(`${ofWarm.count} warm pulls, ${ofCold.count} cold ones`)
      assert.deepEqual([...ofWarm.failures, ...ofCold.failures], [])
      // What was committed meanwhile is uploaded, and told.
      await eventually(async () => {
        const waiting = await Promise.all(
          all.replicas.map((each) => each.metric('entrepot_s3_waiting_uploads')),
        )
        return waiting.every((count) => count === 0)
      }, 60_000)
      const digests = new Set(cold.map(({ digest }) => digest))
      await eventually(() => {
        const linked = all.database.sql('SELECT digest FROM entrepot_links').split('\n')
        return new Set(linked).intersection(digests).size === digests.size
      }, 30_000)
      const sent = cold.reduce((sum, blob) => sum + sentOf(blob), 0)
      for (const blob of cold.slice(0, 20)) {
        for (const { url } of all.replicas)
          assert.equal((await pullBlob(url + pathOf(blob))).digest, blob.digest)
      }
      assert.equal(
        cold.reduce((sum, blob) => sum + sentOf(blob), 0),
        sent,
      )
    })
  }

  test('all three are restarted one after another under 20 pulls a second: none fails', async (t) => {
    const blobs = Array.from({ length: 10 }, () => newBlob(300_000))
    const running = load(() => {
      const isCold = Math.random() < 0.2
      if (isCold) blobs.push(newBlob(300_000))
      const blob = isCold ? blobs.at(-1)! : blobs[Math.floor(Math.random() * blobs.length)]!
      return { path: pathOf(blob), digest: blob.digest }
    }, 20)
    for (const replica of all.replicas) {
      await sleep(1_000)
      await replica.stop('SIGTERM')
      await replica.start()
    }
    await sleep(1_000)
    const { failures, count } = await running.end()
    t.diagnostic(`${count} pulls`)
    assert.deepEqual(failures, [])
  })
})
