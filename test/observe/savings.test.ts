/** What the cache spared, to the byte. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { networkOf } from '../../src/observe/network-of.ts'
import { savings } from '../../src/observe/savings.ts'
import type { SavedRow, SavingsReport } from '../../src/ports/insight/savings.ts'
import { runEntrepot } from '../support/child.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'
import { tempFolder } from '../support/temp-folder.ts'

const layers = [blobOf(1_000_000, 1), blobOf(200_000, 2)]
const MANIFEST = manifestOf(layers.map(({ bytes }) => bytes))
const SIZE = MANIFEST.length + 1_200_000

function addImage(upstream: FakeUpstream): void {
  for (const { bytes } of layers) upstream.addBlob(bytes)
  upstream.addManifest('library/app', '1', MANIFEST, OCI_MANIFEST)
}

async function pull({ port }: Proxy): Promise<void> {
  for (const path of ['manifests/1', ...layers.map(({ digest }) => `blobs/${digest}`)])
    assert.equal((await call(port, 'GET', `/v2/app/${path}`)).status, 200)
}

async function savingsOf({ adminUrl }: Proxy, by = 'upstream'): Promise<SavingsReport> {
  const response = await fetch(`${adminUrl}/api/v1/savings?by=${by}&since=7d`)
  assert.equal(response.status, 200)
  return (await response.json()) as SavingsReport
}

suite('savings of the whole proxy', { concurrency: true }, () => {
  test('after ten pulls of one image they are nine times its bytes, also after a restart', async () => {
    await using folder = await tempFolder()
    await using upstream = await fakeUpstream({ bytesPerSecond: 2_000_000 })
    addImage(upstream)
    const started = { upstream, folder: folder.path }
    {
      await using proxy = await startProxy(started)
      for (let i = 0; i < 10; i++) await pull(proxy)
      const { total, rows } = await savingsOf(proxy)
      assert.deepEqual([total.bytes, total.requests, total.budget], [9 * SIZE, 27, 9])
      assert.deepEqual(
        rows.map(({ name, bytes }) => [name, bytes]),
        [['docker.io', 9 * SIZE]],
      )
      // 2 MB/s as the upstream sends them, or less on a busy machine.
      const least = (9 * SIZE) / 2_000_000
      assert.ok(total.seconds! > least * 0.8 && total.seconds! < least * 20, `${total.seconds} s`)
    }
    await using proxy = await startProxy(started)
    await pull(proxy)
    const { total } = await savingsOf(proxy)
    assert.equal(total.bytes, 10 * SIZE)
    const day = new Date().toISOString().slice(0, 10)
    for (const [by, name] of [
      ['repository', 'docker.io/library/app'],
      ['client', '127.0.0.0/24'],
      ['day', day],
    ] as const) {
      const { rows } = await savingsOf(proxy, by)
      assert.equal(
        rows.reduce((sum, { bytes }) => sum + bytes, 0),
        10 * SIZE,
      )
      assert.ok(rows.some((row) => row.name === name))
    }
    const { code, stdout } = await runEntrepot('savings', '--by', 'repository', '--server', proxy.adminUrl)
    assert.equal(code, 0)
    assert.match(stdout, /^REPOSITORY +BYTES +REQUESTS +RATE LIMIT +TIME\n/)
    assert.match(stdout, /^docker\.io\/library\/app +11 MiB +30 +10 +\d/m)
    assert.match(stdout, /^all since \d{4}-\d\d-\d\d +11 MiB +30 +10 +\d/m)
    const mistaken = await runEntrepot('savings', '--by', 'name', '--server', proxy.adminUrl)
    assert.equal(mistaken.code, 64)
    assert.match(mistaken.stderr, /by must be one of upstream, repository, client, day/)
  })

  test('ten pulls at once spare nine too', async () => {
    await using upstream = await fakeUpstream({ bytesPerSecond: 5_000_000 })
    addImage(upstream)
    await using proxy = await startProxy({ upstream })
    await Promise.all(Array.from({ length: 10 }, () => pull(proxy)))
    assert.equal((await savingsOf(proxy)).total.bytes, 9 * SIZE)
  })
})

test('the rows of a day are bounded, and nothing of the sums is lost', async () => {
  const written: SavedRow[] = []
  const log = {
    add: async (rows: readonly SavedRow[]) => void written.push(...rows),
    savedOn: async () => [],
    ratesSince: async () => [],
    forgetBefore: async () => {},
  }
  {
    await using counted = savings({ log: () => log, now: () => 0 })
    for (let i = 0; i < 50_000; i++) {
      counted.requests.answered({
        kind: 'blob',
        result: 'hit',
        upstream: 'docker.io',
        repository: `r${i}`,
        client: `10.${i % 250}.1.1`,
        isHead: false,
        seconds: 0,
        bytes: 10,
      })
    }
  }
  assert.equal(written.length, 2_001)
  assert.equal(
    written.reduce((sum, { bytes }) => sum + bytes, 0),
    500_000,
  )
})

test('the report begins with the first day that has something', async () => {
  const saved = { upstream: 'docker.io', name: 'docker.io', requests: 1, bytes: 10, budget: 0 }
  const reportOf = async (days: readonly number[]): Promise<string> => {
    const log = {
      add: async () => {},
      savedOn: async (day: number) => (days.includes(day) ? [saved] : []),
      ratesSince: async () => [],
      forgetBefore: async () => {},
    }
    await using counted = savings({ log: () => log, now: () => 20 * 86_400_000 })
    return (await counted.report('upstream', 10)).since
  }
  assert.equal(await reportOf([]), '1970-01-21')
  assert.equal(await reportOf([17, 19]), '1970-01-18')
  assert.equal(await reportOf([3, 11]), '1970-01-12')
})

test('networks of clients', () => {
  for (const [address, network] of [
    ['10.1.2.3', '10.1.2.0/24'],
    ['::ffff:10.1.2.3', '10.1.2.0/24'],
    ['2001:db8:1:2::5', '2001:db8:1::/48'],
    ['::1', '0:0:0::/48'],
    ['fe80::1%eth0', 'fe80:0:0::/48'],
    ['', ''],
  ] as const) {
    assert.equal(networkOf(address), network)
  }
})
