/** What is told at the prompt of the person who pulls: `Warning: 299`, which podman, skopeo and CRI-O print. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { pullAdvice } from '../../src/observe/pull-advice.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { manifestOf } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'

const ALWAYS_ASK = { cache: { tags: [] } }

async function withImage(): Promise<FakeUpstream> {
  const upstream = await fakeUpstream()
  upstream.addManifest('library/app', '1', manifestOf([]), OCI_MANIFEST)
  return upstream
}

suite('Warning', { concurrency: true }, () => {
  test('a stale answer says why, once a minute to each client, and not to a HEAD', async () => {
    await using upstream = await withImage()
    await using proxy = await startProxy({ upstream, config: ALWAYS_ASK })
    const warning = async (method = 'GET') => {
      const { status, headers } = await call(proxy.port, method, '/v2/app/manifests/1')
      assert.equal(status, 200)
      return headers['warning']
    }
    assert.equal(await warning(), undefined)
    await upstream.stop()
    assert.equal(await warning('HEAD'), undefined)
    assert.match(
      (await warning())!,
      /^299 - "served from the cache(?:, \d+ s past its freshness)?: docker\.io refuses connections: nothing listens at its address"$/,
    )
    assert.equal(await warning(), undefined)
  })

  test('a digest that a cool-down holds back', async () => {
    await using upstream = await withImage()
    const coolDown = [{ match: 'app:1', for: '3d' }]
    await using proxy = await startProxy({ upstream, config: { cache: { tags: [], coolDown } } })
    const warning = async (method = 'GET') =>
      (await call(proxy.port, method, '/v2/app/manifests/1')).headers['warning']
    assert.equal(await warning(), undefined)
    upstream.addManifest('library/app', '1', manifestOf([Buffer.from('new')]), OCI_MANIFEST)
    assert.equal(await warning('HEAD'), undefined)
    assert.match(
      (await warning())!,
      /^299 - "library\/app:1 has moved at docker\.io: a cool-down serves the previous digest until \d{4}-\d\d-\d\dT[\d:]{8}Z"$/,
    )
    assert.equal(await warning(), undefined)
  })

  test('a rate limit that is nearly used up', async () => {
    await using upstream = await withImage()
    const headers = { 'RateLimit-Limit': '100;w=60', 'RateLimit-Remaining': '7;w=60' }
    upstream.on(/manifests/, { headers, times: Infinity })
    await using proxy = await startProxy({ upstream })
    const { headers: got } = await call(proxy.port, 'GET', '/v2/app/manifests/1')
    assert.equal(got['warning'], '299 - "docker.io leaves 7 of 100 requests until its rate limit"')
  })

  test('warnings: false says nothing', async () => {
    await using upstream = await withImage()
    await using proxy = await startProxy({ upstream, config: { ...ALWAYS_ASK, warnings: false } })
    await call(proxy.port, 'GET', '/v2/app/manifests/1')
    await upstream.stop()
    const { status, headers } = await call(proxy.port, 'GET', '/v2/app/manifests/1')
    assert.deepEqual([status, headers['warning']], [200, undefined])
  })
})

test('what an upstream says becomes a short quoted string', () => {
  const said = `"\\\r\nX: y${'z'.repeat(1_000)}é`
  const view = { name: 'u', state: 'out', since: 0, credentials: 'none', logins: new Map(), said } as const
  const text = pullAdvice({ upstreams: { view: () => view }, now: () => 0 })(
    '10.0.0.1',
    { repository: { upstream: 'u', name: 'app' }, tag: '1' },
    { result: 'stale', ttl: -5 },
  )
  assert.match(text!, /^served from the cache, 5 s past its freshness: u +X: yz+$/)
  assert.equal(text!.length, 200)
})
