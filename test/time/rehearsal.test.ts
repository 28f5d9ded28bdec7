/** Rehearsals: upstreams that are not to be dialled for a while. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Status } from '../../src/ports/insight/insight.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'

const TAG = '/v2/app/manifests/latest'
const layer = Buffer.from('layer')

function offline({ adminUrl }: Proxy, method: string, rest = '', name = 'docker.io') {
  return fetch(`${adminUrl}/api/v1/upstreams/${name}/offline${rest}`, {
    method,
    headers: { 'content-type': 'application/json' },
  })
}

async function stateOf({ adminUrl }: Proxy) {
  const { upstreams } = (await (await fetch(`${adminUrl}/api/v1/upstreams`)).json()) as Status
  return upstreams.find(({ name }) => name === 'docker.io')?.state
}

suite('rehearsals of an outage', () => {
  test('a rehearsal makes an upstream unreachable at once, and holds nothing against it afterwards', async () => {
    await using upstream = await fakeUpstream()
    const digest = upstream.addBlob(layer)
    upstream.addManifest('library/app', 'latest', manifestOf([layer]), OCI_MANIFEST)
    await using proxy = await startProxy({ upstream, config: { cache: { tags: [] } } })
    assert.equal((await call(proxy.port, 'GET', TAG)).status, 200)

    const begun = await offline(proxy, 'POST', '?for=10m')
    assert.equal(begun.status, 200)
    const { offlineUntil } = (await begun.json()) as { offlineUntil: string }
    assert.ok(Math.abs(Date.parse(offlineUntil) - Date.now() - 600_000) < 30_000, offlineUntil)
    const before = upstream.requests.length
    const tag = await call(proxy.port, 'GET', TAG)
    assert.equal(tag.status, 200)
    assert.match(tag.headers['cache-status'] as string, /detail=stale-if-error/)
    const blob = await call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)
    assert.equal(blob.status, 502)
    assert.equal(JSON.parse(blob.body.toString()).errors[0].detail.reason, 'offline')
    assert.equal((await call(proxy.port, 'GET', '/v2/app/manifests/other')).status, 502)
    assert.equal(upstream.requests.length, before)
    assert.equal(await stateOf(proxy), 'offline')

    const ended = await offline(proxy, 'DELETE')
    assert.equal(ended.status, 200)
    assert.equal((await offline(proxy, 'DELETE')).status, 404)
    assert.equal(await stateOf(proxy), 'up')
    assert.equal((await call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)).status, 200)
    const audit = (await (await fetch(`${proxy.adminUrl}/api/v1/audit`)).json()) as {
      audit: { action: string; result: string }[]
    }
    assert.deepEqual(
      audit.audit
        .filter(({ action }) => action.endsWith('line'))
        .map(({ action, result }) => [action, result]),
      [
        ['online', 'answered 404'],
        ['online', 'done'],
        ['offline', 'done'],
      ],
    )
  })

  test('a rehearsal ends by itself', async (t) => {
    await using upstream = await fakeUpstream()
    upstream.addManifest('library/app', 'latest', manifestOf([layer]), OCI_MANIFEST)
    await using proxy = await startProxy({ upstream })
    t.mock.timers.enable({ apis: ['setTimeout'] })
    assert.equal((await offline(proxy, 'POST', '?for=1m')).status, 200)
    assert.equal((await offline(proxy, 'POST', '?for=2m')).status, 200)
    t.mock.timers.tick(119_999)
    assert.equal((await call(proxy.port, 'GET', TAG)).status, 502)
    t.mock.timers.tick(1)
    t.mock.timers.reset()
    assert.equal((await call(proxy.port, 'GET', TAG)).status, 200)
  })

  test('an upstream that is offline for good has no rehearsal', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream, upstreamConfig: { offline: true } })
    assert.equal((await offline(proxy, 'POST')).status, 409)
    assert.equal(await stateOf(proxy), 'offline')
  })

  test('what is no upstream or no time is refused', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    assert.equal((await offline(proxy, 'POST', '', 'other.example')).status, 404)
    for (const time of ['', '10', '10s', '0m', '25h', '2d'])
      assert.equal((await offline(proxy, 'POST', `?for=${time}`)).status, 400, time)
  })
})
