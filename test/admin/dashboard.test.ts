/** The pages of the dashboard as they are sent, without a browser: `test/e2e/dashboard.e2e.ts` has one. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { suite, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { TrafficHistory } from '../../src/ports/insight/insight.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { call, RawClient } from '../support/raw-client.ts'

async function page(
  { adminUrl }: Proxy,
  path: string,
): Promise<{ text: string; headers: Headers; status: number }> {
  const response = await fetch(`${adminUrl}/${path}`)
  return { text: await response.text(), headers: response.headers, status: response.status }
}

/** Reads server-sent events until `wanted` says so. */
async function eventsUntil(
  proxy: Proxy,
  wanted: (text: string) => boolean,
  headers: Record<string, string> = {},
): Promise<string> {
  const asked = request(`${proxy.adminUrl}/api/v1/events`, { headers }).end()
  const [response] = await once(asked, 'response')
  assert.equal(response.headers['content-type'], 'text/event-stream')
  let text = ''
  response.setEncoding('utf8')
  for await (const chunk of response) {
    text += chunk
    if (wanted(text)) break
  }
  asked.destroy()
  return text
}

suite('the dashboard', { concurrency: true }, () => {
  test('has what there was to do by minute and by hour, and the charts of its package', async () => {
    await using upstream = await fakeUpstream()
    upstream.addManifest('org/app', '1', manifestOf([]), OCI_MANIFEST)
    await using proxy = await startProxy({ upstream })
    for (let i = 0; i < 3; i++) await call(proxy.port, 'GET', '/v2/org/app/manifests/1')
    const { seconds, points } = JSON.parse((await page(proxy, 'api/v1/traffic')).text) as TrafficHistory
    assert.equal(seconds, 60)
    const sum = (key: 'requests' | 'hits' | 'upstreamRequests') =>
      points.reduce((total, point) => total + point[key], 0)
    assert.deepEqual(
      [sum('requests'), sum('hits'), sum('upstreamRequests')],
      [3, 2, upstream.requests.length],
    )
    const { text, headers } = await page(proxy, '')
    assert.match(text, /<summary>By hour, as a table<\/summary>[^]*<td class="number">3<\/td>/)
    const [, nonce] = /script-src 'nonce-([^']+)'/.exec(headers.get('content-security-policy')!)!
    assert.ok(text.includes(`<script nonce="${nonce}" src="uplot.js"></script>`))
    const script = await page(proxy, 'uplot.js')
    assert.match(script.headers.get('content-type')!, /^text\/javascript/)
    assert.match(script.text, /uPlot/)
    const etag = script.headers.get('etag')!
    const again = await fetch(`${proxy.adminUrl}/uplot.js`, { headers: { 'If-None-Match': etag } })
    assert.equal(again.status, 304)
    assert.equal((await page(proxy, 'uplot.css')).headers.get('content-type'), 'text/css')
  })

  test('says what the proxy holds, without a script', async () => {
    await using upstream = await fakeUpstream()
    const layer = blobOf(100_000)
    upstream.addBlob(layer.bytes)
    upstream.addManifest('org/app', '1', manifestOf([layer.bytes]), OCI_MANIFEST)
    await using proxy = await startProxy({ upstream })
    await call(proxy.port, 'GET', '/v2/org/app/manifests/1')
    await call(proxy.port, 'GET', '/v2/org/nothing/manifests/1')
    for (const [path, ...texts] of [
      ['', 'docker.io', '<b>0 %</b>', '0 of 2 requests', 'No downloads are running.'],
      ['images', 'docker.io/org/app:1', 'image?image=docker.io%2Forg%2Fapp%3A1', '1 image'],
      [
        'images?pattern=ghcr.io/**&sort=size',
        '0 images',
        'value="ghcr.io/**"',
        '<option value="size" selected>',
      ],
      ['image?image=org/app:1', 'docker.io/org/app:1', '2 of 2 parts missing', 'tag 1', 'everybody'],
      ['transfers', 'No downloads are running.'],
      ['savings?by=day', 'all since'],
      ['audit', 'Nothing was changed'],
    ] as const) {
      const { status, text, headers } = await page(proxy, path)
      assert.equal(status, 200, path)
      for (const expected of texts) assert.ok(text.includes(expected), `${path}: ${expected}`)
      const policy = headers.get('content-security-policy')!
      const [, nonce] = /script-src 'nonce-([^']+)'/.exec(policy)!
      assert.match(policy, /^default-src 'none'; .*base-uri 'none'; frame-ancestors 'none'$/)
      assert.ok(!policy.includes('unsafe'))
      assert.equal(text.split(`nonce="${nonce}"`).length, path === '' ? 5 : 3)
      assert.ok(!/ style=| on\w+=/.test(text), 'inline style or handler')
    }
    assert.equal((await page(proxy, 'image?image=a b')).status, 404)
  })

  test('a tag whose freshness is over, and one that a cool-down holds', async () => {
    await using upstream = await fakeUpstream()
    const addManifest = (layer: string) =>
      upstream.addManifest('org/app', 'latest', manifestOf([Buffer.from(layer)]), OCI_MANIFEST)
    addManifest('one')
    const cache = { tags: [], coolDown: [{ match: 'docker.io/**:latest', for: '3d' }] }
    await using proxy = await startProxy({ upstream, config: { cache } })
    const pull = () => call(proxy.port, 'GET', '/v2/org/app/manifests/latest')
    await pull()
    addManifest('two')
    await pull()
    const { text } = await page(proxy, 'image?image=org/app:latest')
    assert.match(text, /<dt>Tag<\/dt>[^]*<\/button>\s*stale\s*<\/dd>/)
    assert.match(text, /<dt>Cool-down<\/dt>[^]*is served until \d{4}-\d\d-\d\dT[\d:]{8}Z<\/dd>/)
    assert.match((await page(proxy, '')).text, /docker\.io\/org\/app:latest moved from \w{12} to \w{12}/)
  })

  test('names from elsewhere are text only', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    const evil = '<script>alert(1)</script>"\'&'
    for (const path of ['images?pattern=', 'image?image=', 'savings?by=', 'images?sort=']) {
      const { text } = await page(proxy, path + encodeURIComponent(evil))
      assert.ok(!text.includes('<script>alert'), path)
      assert.ok(!text.includes(evil), path)
    }
    const { text } = await page(proxy, `images?pattern=${encodeURIComponent(evil)}`)
    assert.ok(text.includes('value="&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"'))
    assert.ok(text.includes('must be an image pattern'))
  })

  test('events: running downloads as they grow, and changes of state', async () => {
    await using upstream = await fakeUpstream({ bytesPerSecond: 1_000_000 })
    const layer = blobOf(4_000_000)
    upstream.addBlob(layer.bytes)
    await using proxy = await startProxy({ upstream })
    using client = await RawClient.connect(proxy.port)
    client.request('GET', `/v2/org/app/blobs/${layer.digest}`)
    const filled = (text: string) => [...text.matchAll(/"filled":(\d+)/g)].map(([, count]) => Number(count))
    const text = await eventsUntil(proxy, (text) => filled(text).filter((count) => count > 0).length >= 2)
    const counts = filled(text)
    assert.ok(counts.at(-1)! > counts[0]!, counts.join())
    const gone = eventsUntil(proxy, (text) => text.includes('event: upstream.down'))
    await eventually(async () => (await fetch(`${proxy.adminUrl}/healthz`)).ok)
    await upstream.stop()
    for (let i = 0; i < 8; i++) await call(proxy.port, 'GET', `/v2/org/app${i}/manifests/1`)
    const told = await gone
    assert.match(told, /data: \{"id":\d+,"at":\d+,"type":"upstream\.down","upstream":"docker\.io"/)
    assert.match(told, /"text":"docker\.io refuses connections: [^"]*; it gets no requests"/)
    assert.match((await page(proxy, '')).text, /Z<\/time> docker\.io refuses connections: /)
    // A browser that was connected to the process before this one comes back with the last id of that one.
    const isTold = (text: string) => text.includes('event: upstream.down')
    assert.match(await eventsUntil(proxy, isTold, { 'Last-Event-ID': '5000' }), /upstream\.down/)
  })

  test('the listeners of events are counted, and end with the process', async () => {
    await using upstream = await fakeUpstream()
    const proxy = await startProxy({ upstream })
    const { port } = new URL(proxy.adminUrl)
    const clients = await Promise.all(Array.from({ length: 250 }, () => RawClient.connect(Number(port))))
    for (const client of clients) client.request('GET', '/api/v1/events')
    await eventually(async () => {
      const response = await fetch(`${proxy.adminUrl}/api/v1/events`)
      await response.body?.cancel()
      return response.status === 503
    }, 20_000)
    await proxy[Symbol.asyncDispose]()
    for (const client of clients) client[Symbol.dispose]()
  })
})
