import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { mock, suite, test } from 'node:test'
import { digestOf } from '../src/oci/digest.ts'
import { OCI_MANIFEST } from '../src/oci/media-types.ts'
import { fakeUpstream } from './support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from './support/fixtures.ts'
import { startProxy } from './support/proxy.ts'
import { call } from './support/raw-client.ts'

/** 0 where there is no such folder. */
async function filesBelow(folder: string): Promise<number> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).length
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return 0
  }
}

const DAY = 86_400_000
const [layer, other] = [blobOf(100_000, 1), blobOf(100_000, 2)]

suite('the disk under a running proxy', () => {
  test('F74 the store is removed at run time: pulls are right, it is ready, and content is kept again', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    for (const { bytes } of [layer, other]) upstream.addBlob(bytes)
    const pull = async ({ digest } = layer) => {
      const { status, body } = await call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)
      assert.deepEqual([status, digestOf(body)], [200, digest])
    }
    await pull()
    await eventually(async () => (await proxy.openContent()).length === 0)
    const data = join(proxy.folder, 'data')
    await rm(data, { recursive: true })
    await pull()
    await pull(other)
    assert.equal((await fetch(`${proxy.adminUrl}/readyz`)).status, 200)
    await eventually(async () => (await filesBelow(join(data, 'blobs'))) === 2)
    const before = upstream.count('GET', /blobs/)
    await pull()
    await pull(other)
    assert.equal(upstream.count('GET', /blobs/), before)
  })

  test('F82 the clock jumps a day ahead, and two back: what is fresh stays fresh, and nothing expires', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream, config: { cache: { ttl: '1h', sweep: '* * * * * *' } } })
    const body = manifestOf([layer.bytes])
    const { digest } = upstream.addManifest('library/app', 'latest', body, OCI_MANIFEST)
    const pull = async () => {
      const answer = await call(proxy.port, 'GET', '/v2/app/manifests/latest')
      assert.equal(answer.headers['docker-content-digest'], digest)
      return answer.headers['cache-status']
    }
    await pull()
    const before = upstream.requests.length
    const now = Date.now()
    try {
      mock.timers.enable({ apis: ['Date'], now: now + DAY })
      assert.match((await pull())!, /^entrepot; hit; ttl=[1-9]/)
      mock.timers.setTime(now - DAY)
      assert.match((await pull())!, /^entrepot; hit; ttl=[1-9]/)
    } finally {
      mock.timers.reset()
    }
    assert.equal(upstream.requests.length, before)
  })
})

test('FR-39: minFree above the disk is told at the start and by readyz, and not for each object', async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await startProxy({
    upstream,
    config: { storage: { root: './data', minFree: '4000TiB' } },
  })
  upstream.addBlob(layer.bytes)
  upstream.addManifest('library/app', '1', manifestOf([layer.bytes]), OCI_MANIFEST)
  for (let i = 0; i < 3; i++) {
    assert.equal((await call(proxy.port, 'GET', '/v2/app/manifests/1')).status, 200)
    const { status, body } = await call(proxy.port, 'GET', `/v2/app/blobs/${layer.digest}`)
    assert.deepEqual([status, digestOf(body)], [200, layer.digest])
  }
  const told = proxy.log.filter(({ level }) => Number(level) >= 40)
  assert.equal(told.length, 2)
  assert.match(String(told[1]!['said']), /storage\.minFree/)
  assert.match(String(told[0]!['msg']), /^storage\.minFree is 4398046511104000 bytes and the disk has \d+: /)
  const ready = await fetch(`${proxy.adminUrl}/readyz`)
  assert.equal(ready.status, 200)
  const { details } = (await ready.json()) as { readonly details: readonly string[] }
  assert.deepEqual(details, [told[0]!['msg']])
})
