/** Signals, sent to the processes that users start: a running pull is finished, and the exit code is 0. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { call, RawClient } from '../support/raw-client.ts'
import { isAlive, processesBelow, type Service, startService, WAYS } from '../support/service.ts'
import { tempFolder } from '../support/temp-folder.ts'

const MiB = 1024 * 1024
const { bytes, digest } = blobOf(6 * MiB)
const PATH = `/v2/app/blobs/${digest}`

/** Starts Entrepot in one of the ways, with a pull of a second or so under way. */
async function pulling(way: readonly string[], then: (service: Service, pids: readonly number[]) => void) {
  await using folder = await tempFolder()
  await using upstream = await fakeUpstream({ bytesPerSecond: 6 * MiB })
  upstream.addBlob(bytes)
  const config = { upstreams: { 'docker.io': { url: upstream.url } }, log: { access: false } }
  await using service = await startService({ folder: folder.path, config, way })
  using client = await RawClient.connect(service.port)
  client.request('GET', PATH)
  await client.received(100_000)
  const pids = processesBelow(service.child.pid!)
  then(service, pids)
  assert.equal(digestOf((await client.response()).body), digest, 'the pull is whole')
  const outcome = await service.exited
  await eventually(() => pids.every((pid) => !isAlive(pid)), 20_000)
  return { ...outcome, log: service.log().map(({ msg }) => msg) }
}

suite('FR-30: drains and exits 0', () => {
  for (const [name, way] of Object.entries(WAYS)) {
    test(`${name}, SIGTERM to what was started`, async () => {
      const { code, log } = await pulling(way, (service) => service.signal('SIGTERM'))
      assert.equal(code, 0)
      assert.deepEqual(log.slice(-2), ['stopping', 'stopped'])
    })
    test(`${name}, Ctrl-C, which every process of the group gets`, async () => {
      const { code, log } = await pulling(way, (service) => service.signal('SIGINT', 'group'))
      assert.equal(code, 0)
      assert.deepEqual(log.slice(-2), ['stopping', 'stopped'])
    })
  }

  test('npm is killed, and passes nothing on', async () => {
    const { log } = await pulling(WAYS['npm start'], (service, pids) => {
      assert.ok(pids.length > 1)
      service.signal('SIGKILL')
    })
    assert.deepEqual(log.slice(-2), ['stopping', 'stopped'])
  })
})

test('FR-43: not ready but still accepting during the delay, then running answers may end', async () => {
  await using folder = await tempFolder()
  await using upstream = await fakeUpstream({ bytesPerSecond: 3 * MiB })
  upstream.addBlob(bytes)
  const config = {
    upstreams: { 'docker.io': { url: upstream.url } },
    shutdown: { delay: '1s', grace: '20s' },
  }
  await using service = await startService({ folder: folder.path, config })
  using client = await RawClient.connect(service.port)
  client.request('GET', PATH)
  await client.received(100_000)
  service.signal('SIGTERM')
  await eventually(async () => (await fetch(`${service.adminUrl}/readyz`)).status === 503)
  assert.equal((await call(service.port, 'GET', '/v2/')).status, 200, 'it still accepts')
  await eventually(() =>
    call(service.port, 'GET', '/v2/').then(
      () => false,
      () => true,
    ),
  )
  assert.equal(digestOf((await client.response()).body), digest, 'the running answer ends')
  assert.deepEqual(await service.exited, { code: 0, signal: null })
})

test('FR-43: what is not done within the grace is cut, and the exit code is 0 all the same', async () => {
  await using folder = await tempFolder()
  await using upstream = await fakeUpstream({ bytesPerSecond: MiB / 4 })
  upstream.addBlob(bytes)
  const config = { upstreams: { 'docker.io': { url: upstream.url } }, shutdown: { grace: '200ms' } }
  await using service = await startService({ folder: folder.path, config })
  using client = await RawClient.connect(service.port)
  client.request('GET', PATH)
  await client.received(10_000)
  service.signal('SIGTERM')
  assert.deepEqual(await service.exited, { code: 0, signal: null })
  assert.ok((await client.rest()).length < bytes.length)
})
