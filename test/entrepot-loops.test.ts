import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OCI_MANIFEST } from '../src/oci/media-types.ts'
import { fakeUpstream } from './support/fake-upstream.ts'
import { blobOf, manifestOf } from './support/fixtures.ts'
import { startProxy } from './support/proxy.ts'
import { call } from './support/raw-client.ts'
import { relay } from './support/relay.ts'

const PATHS = [
  '/v2/app/manifests/latest',
  `/v2/app/blobs/${blobOf(10).digest}`,
  '/v2/app/tags/list',
  `/v2/app/referrers/${blobOf(10).digest}`,
]

test('SEC-86 a proxy that is its own upstream answers 508, after one request to itself', async () => {
  await using back = await relay()
  await using proxy = await startProxy({ upstream: back, requests: true })
  back.target = proxy.port
  for (const path of PATHS) {
    const before = proxy.log.filter(({ msg }) => msg === 'request').length
    const answer = await call(proxy.port, 'GET', path)
    assert.equal(answer.status, 508, path)
    const [error] = JSON.parse(answer.body.toString()).errors
    assert.match(error.message, /loop/)
    assert.equal(error.detail.upstream, 'docker.io')
    assert.equal(error.detail.status, 508)
    assert.ok(proxy.log.filter(({ msg }) => msg === 'request').length - before <= 2, path)
  }
})

test("SEC-86 two proxies that are each other's upstream find the loop", async () => {
  await using back = await relay()
  await using one = await startProxy({ upstream: back, requests: true })
  await using other = await startProxy({ upstream: one, requests: true })
  back.target = other.port
  for (const path of PATHS) {
    const answer = await call(one.port, 'GET', path)
    assert.equal(answer.status, 508, path)
  }
  const requests = [one, other].flatMap(({ log }) => log.filter(({ msg }) => msg === 'request'))
  assert.ok(requests.length <= PATHS.length * 4, `${requests.length}`)
})

test('SEC-86 upstreams are told who asks, behind the proxies that were passed before', async () => {
  await using upstream = await fakeUpstream()
  await using proxy = await startProxy({ upstream })
  upstream.addManifest('library/app', 'latest', manifestOf([]), OCI_MANIFEST)
  await call(proxy.port, 'GET', '/v2/app/manifests/latest', ['Via: 1.1 nginx'])
  const vias = new Set(upstream.requests.map(({ headers }) => headers['via']))
  assert.equal(vias.size, 1)
  assert.match([...vias][0]!, /^1\.1 nginx, 1\.1 entrepot-[0-9a-f]{16}$/)
})
