import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { openUpstream } from '../../src/upstream/open-upstream.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { assertFails } from './setup.ts'

const telemetry = {
  answered() {},
  denied() {},
  credentials() {},
  received() {},
  rateLimit() {},
  circuit() {},
}
const open = (url: string) =>
  openUpstream({
    name: 'up',
    url,
    telemetry,
    env: {},
    timeouts: { connect: 1_000, headers: 2_000, idle: 5_000 },
    reloadFailed: (problem) => assert.fail(String(problem)),
  })

test('closing an upstream ends all it does at once, and another one takes its place', async () => {
  await using fake = await fakeUpstream()
  const { bytes, digest } = blobOf(1_000_000)
  fake.addBlob(bytes)
  fake.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
  const old = open(fake.url)
  const body = (await old.repository('app').blob(digest))![Symbol.asyncIterator]()
  await body.next()
  fake.on(/manifests/, { delayMs: Infinity })
  const hanging = old.repository('app').resolve('v1')
  await eventually(() => fake.count('HEAD', /manifests/) === 1)
  fake.on(/blobs/, { atByte: { k: 10, then: 'stall' } })
  const stalled = (await old.repository('app').blob(digest))![Symbol.asyncIterator]()

  const failed = assertFails(hanging, 'UPSTREAM_UNAVAILABLE')
  await old.close()
  await failed
  await assert.rejects(async () => {
    while (!(await stalled.next()).done);
  })
  await eventually(() => fake.connections === 0)
  await old.close()

  const renewed = open(fake.url)
  try {
    assert.ok(await renewed.repository('app').resolve('v1'))
  } finally {
    await renewed.close()
  }
})

test('an upstream that is closed while it is out sends no more pings', async () => {
  await using fake = await fakeUpstream()
  const { url } = fake
  await fake.stop()
  const upstream = open(url)
  for (let i = 0; i < 3; i++)
    await assertFails(upstream.repository('a').resolve('v1'), 'UPSTREAM_UNAVAILABLE')
  assert.equal(upstream.status.state, 'out')
  await upstream.close()
  await fake.start()
  // The first ping would come after two seconds.
  await assert.rejects(eventually(() => fake.requests.length > 0, 3_000))
})
