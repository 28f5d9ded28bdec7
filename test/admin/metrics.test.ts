/** What a scrape of the whole proxy says, after it has done something. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { Registry } from 'prom-client'
import { remoteMetrics } from '../../src/admin/metrics/remote-metrics.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf, selfSignedCertificate } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { call, RawClient } from '../support/raw-client.ts'
import { tempFolder } from '../support/temp-folder.ts'

type Scrape = (name: string) => number

async function scrape(adminUrl: string): Promise<Scrape> {
  const lines = (await (await fetch(`${adminUrl}/metrics`)).text()).split('\n')
  return (name) => {
    const line = lines.find((line) => line.startsWith(`${name} `))
    assert.ok(line, `${name} is missing`)
    return Number(line.slice(name.length + 1))
  }
}

const basic = (login: string) => [`Authorization: Basic ${Buffer.from(login).toString('base64')}`]

test('a scrape tells of the build, the disk, the listeners, the answers and the logins', async () => {
  await using folder = await tempFolder()
  await using upstream = await fakeUpstream()
  const layer = blobOf(4_000_000)
  upstream.addBlob(layer.bytes)
  upstream.addManifest('library/app', '1', manifestOf([layer.bytes]), OCI_MANIFEST)
  const users = join(folder.path, 'users')
  await writeFile(users, `ci:${hashSync('right', 4)}\n`)
  await using proxy = await startProxy({
    upstream,
    folder: folder.path,
    upstreamConfig: { timeouts: { idle: '30s' } },
    config: {
      access: { htpasswd: users },
      storage: { root: './data', minFree: 0, maxSize: '3GiB' },
      admin: { host: '127.0.0.1', port: 0 },
    },
  })
  const get = (path: string, login: string) => call(proxy.port, 'GET', path, basic(login))
  assert.equal((await get('/v2/app/manifests/1', 'ci:right')).status, 200)
  assert.equal((await get('/v2/app/manifests/2', 'ci:right')).status, 404)
  assert.equal((await get('/v2/app/manifests/1', 'ci:wrong')).status, 401)
  // A download that does not end: its bytes are on the disk.
  upstream.on(/blobs/, { atByte: { k: 3_000_000, then: 'stall' } })
  using client = await RawClient.connect(proxy.port)
  client.request('GET', `/v2/app/blobs/${layer.digest}`, basic('ci:right'))

  let value = await scrape(proxy.adminUrl)
  await eventually(async () => {
    value = await scrape(proxy.adminUrl)
    return value('entrepot_partial_bytes') > 1_000_000 && value('entrepot_event_loop_seconds_count') > 0
  })
  const { version } = JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8'))
  assert.equal(value(`entrepot_build_info{version="${version}"}`), 1)
  assert.equal(value('entrepot_store_limit_bytes'), 3 * 1024 ** 3)
  assert.ok(value('entrepot_store_free_bytes') > 0)
  assert.ok(value('entrepot_store_index_bytes') > 4096)
  assert.ok(value('entrepot_connections') >= 1)
  assert.equal(value('entrepot_responses_total{code="401"}'), 1)
  assert.equal(value('entrepot_responses_total{code="404"}'), 1)
  assert.equal(value('entrepot_logins_total{result="refused"}'), 1)
  assert.equal(value('entrepot_logins_total{result="accepted"}'), 3)
})

test('the certificate of each listener is watched', async () => {
  await using folder = await tempFolder()
  await using upstream = await fakeUpstream()
  const { cert, key } = selfSignedCertificate()
  const tls = { cert: join(folder.path, 'cert.pem'), key: join(folder.path, 'key.pem') }
  await writeFile(tls.cert, cert)
  await writeFile(tls.key, key)
  await using proxy = await startProxy({
    upstream,
    folder: folder.path,
    config: { listen: { host: '127.0.0.1', port: 0, tls } },
  })
  const left = (await scrape(proxy.adminUrl))('entrepot_certificate_expiry_seconds{listener="registry"}')
  assert.ok(left > 86_400 && left <= 2 * 86_400, `${left} seconds, of a certificate for two days`)
})

test('what is kept in the bucket is told beside its limit, where there is one', async () => {
  const register = new Registry()
  const remote = remoteMetrics(register)
  assert.doesNotMatch(await register.metrics(), /entrepot_s3_(?:stored|limit)_bytes[ {]\S* ?\d/m)
  remote.swept(300, 200, undefined)
  assert.doesNotMatch(await register.metrics(), /limit_bytes/)
  remote.swept(300, 200, 150)
  const text = await register.metrics()
  assert.match(text, /^entrepot_s3_stored_bytes\{kept="no"\} 100$/m)
  assert.match(text, /^entrepot_s3_stored_bytes\{kept="yes"\} 200$/m)
  assert.match(text, /^entrepot_s3_limit_bytes 150$/m)
})
