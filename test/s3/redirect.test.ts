/** `storage.s3.redirect`: clients of some networks fetch blobs from the bucket itself. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { startProxy } from '../support/proxy.ts'
import { fakeS3, S3_CONFIG } from './fake-s3.ts'

const layer = blobOf(300_000)
const manifest = manifestOf([layer.bytes])
const INSIDE = '10.1.2.3'
const OUTSIDE = '192.0.2.7'

/** A cache with an image, pulled and uploaded. */
async function cache(config: Record<string, unknown> = {}, redirect: object = { networks: ['10.0.0.0/8'] }) {
  await using starting = new AsyncDisposableStack()
  const s3 = starting.use(await fakeS3())
  const upstream = starting.use(await fakeUpstream())
  for (const bytes of [layer.bytes, Buffer.from('{}')]) upstream.addBlob(bytes)
  upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
  const proxy = starting.use(
    await startProxy({
      upstream,
      requests: true,
      config: {
        access: { trustedProxies: ['127.0.0.1'] },
        storage: { root: './data', minFree: 0, s3: { ...S3_CONFIG, endpoint: s3.url, redirect } },
        ...config,
      },
    }),
  )
  const ask = (path: string, { client = INSIDE, ...init }: RequestInit & { client?: string } = {}) =>
    fetch(`${proxy.url}${path}`, {
      redirect: 'manual',
      ...init,
      headers: { 'x-forwarded-for': client, ...(init.headers as Record<string, string>) },
    })
  const blob = `/v2/library/app/blobs/${layer.digest}`
  const resources = starting.move()
  return {
    s3,
    upstream,
    proxy,
    ask,
    blob,
    async pulled() {
      assert.equal((await ask('/v2/library/app/manifests/latest')).status, 200)
      const first = await ask(blob)
      assert.equal(first.status, 200)
      assert.equal(digestOf(Buffer.from(await first.arrayBuffer())), layer.digest)
      await eventually(() => s3.objects.size === 2)
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

suite('redirects to the bucket', () => {
  test('a client of these networks is sent to the bucket, which sends the whole blob or a range', async () => {
    await using here = await cache()
    await here.pulled()
    const sent = here.upstream.requests.length
    const answer = await here.ask(here.blob, { headers: { range: 'bytes=5-9' } })
    assert.equal(answer.status, 307)
    assert.equal((await answer.arrayBuffer()).byteLength, 0)
    assert.equal(answer.headers.get('cache-control'), 'no-store')
    assert.match(answer.headers.get('cache-status')!, /^entrepot; hit/)
    const url = answer.headers.get('location')!
    assert.ok(url.startsWith(`${here.s3.url}/images/blobs/sha256/`), url)
    const whole = await fetch(url)
    assert.equal(digestOf(Buffer.from(await whole.arrayBuffer())), layer.digest)
    const part = await fetch(url, { headers: { range: 'bytes=5-9' } })
    assert.equal(part.status, 206)
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), layer.bytes.subarray(5, 10))
    assert.equal(here.upstream.requests.length, sent)
  })

  test('the URL is of the public endpoint, of one method, and holds for five minutes', async () => {
    await using here = await cache({}, { networks: ['10.0.0.0/8'], publicEndpoint: 'http://localhost:4711' })
    await here.pulled()
    const url = new URL((await here.ask(here.blob)).headers.get('location')!)
    assert.equal(url.origin, 'http://localhost:4711')
    // The signature is of that host: the bucket sees it where a proxy passes it on.
    const asked = new URL(here.s3.url)
    const passed = await import('node:http').then(
      ({ request }) =>
        new Promise<number>((resolve, reject) => {
          const headers = { host: url.host }
          request({ port: asked.port, host: '127.0.0.1', path: url.pathname + url.search, headers })
            .once('response', (response) => resolve(response.resume().statusCode!))
            .once('error', reject)
            .end()
        }),
    )
    assert.equal(passed, 200)
    assert.equal(url.searchParams.get('X-Amz-Expires'), '300')
    const own = await cache()
    await using _ = own
    await own.pulled()
    const right = (await own.ask(own.blob)).headers.get('location')!
    assert.equal((await fetch(right, { method: 'HEAD' })).status, 403)
    assert.equal((await fetch(right)).status, 200)
    own.s3.now = () => Date.now() + 301_000
    assert.equal((await fetch(right)).status, 403)
  })

  test('HEAD, conditional requests, manifests and other clients are answered here', async () => {
    await using here = await cache()
    await here.pulled()
    const head = await here.ask(here.blob, { method: 'HEAD' })
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(layer.bytes.length)])
    const known = await here.ask(here.blob, { headers: { 'if-none-match': `"${layer.digest}"` } })
    assert.equal(known.status, 304)
    for (const path of [
      'manifests/latest',
      `manifests/${digestOf(manifest)}`,
      `blobs/${digestOf(manifest)}`,
    ]) {
      const answer = await here.ask(`/v2/library/app/${path}`)
      assert.equal(answer.status, 200, path)
      assert.equal(digestOf(Buffer.from(await answer.arrayBuffer())), digestOf(manifest))
    }
    const other = await here.ask(here.blob, { client: OUTSIDE })
    assert.equal(other.status, 200)
    assert.equal(digestOf(Buffer.from(await other.arrayBuffer())), layer.digest)
  })

  test('traced requests are redirected too', async () => {
    await using here = await cache({ tracing: { endpoint: 'http://127.0.0.1:1', sample: '100%' } })
    await here.pulled()
    assert.equal((await here.ask(here.blob)).status, 307)
  })

  test('it is off by default', async () => {
    for (const redirect of [{}, { networks: [] }]) {
      await using here = await cache({}, redirect)
      await here.pulled()
      assert.equal((await here.ask(here.blob)).status, 200)
    }
  })

  test('what is not in the bucket, or may not be, is sent from here', async () => {
    await using here = await cache()
    await here.pulled()
    const stored = new Map(here.s3.objects)
    here.s3.objects.clear()
    const gone = await here.ask(here.blob)
    assert.equal(gone.status, 200)
    assert.equal(digestOf(Buffer.from(await gone.arrayBuffer())), layer.digest)
    for (const [key, object] of stored) here.s3.objects.set(key, object)
    assert.equal((await here.ask(here.blob)).status, 307)
    for (const mode of ['reset', 503, 'hang'] as const) {
      here.s3.mode = mode
      const away = await here.ask(here.blob)
      assert.equal(away.status, 200, String(mode))
      assert.equal(digestOf(Buffer.from(await away.arrayBuffer())), layer.digest)
    }
    here.s3.mode = 'right'
    await eventually(async () => (await here.ask(here.blob)).status === 307)
  })

  test('SEC-20 the right to read is decided before: another repository gets no URL without it', async () => {
    await using here = await cache({
      access: { trustedProxies: ['127.0.0.1'], rules: [{ repositories: ['docker.io/library/**'] }] },
    })
    await here.pulled()
    const path = `/v2/library/other/blobs/${layer.digest}`
    here.upstream.on(/library\/other/, { status: 404, times: 9 })
    const unknown = await here.ask(path)
    assert.deepEqual([unknown.status, unknown.headers.get('location')], [404, null])
    const denied = await here.ask(`/v2/private/app/blobs/${layer.digest}`)
    assert.deepEqual([denied.status, denied.headers.get('location')], [403, null])
  })

  test('a repository that proves its right is sent to the bucket at once', async () => {
    await using here = await cache()
    await here.pulled()
    const path = `/v2/library/same/blobs/${layer.digest}`
    const sent = here.upstream.bodyBytes(/blobs/)
    const first = await here.ask(path)
    assert.equal(first.status, 307)
    assert.equal(here.upstream.bodyBytes(/blobs/), sent)
  })

  test('SEC-60 neither log, audit nor metrics tell the URL', async () => {
    await using here = await cache()
    await here.pulled()
    assert.equal((await here.ask(here.blob)).status, 307)
    await eventually(() => here.proxy.log.some(({ msg, status }) => msg === 'request' && status === 307))
    const told = await Promise.all(
      ['/metrics', '/api/v1/audit', '/api/v1/status'].map(async (path) =>
        (await fetch(here.proxy.adminUrl + path)).text(),
      ),
    )
    assert.doesNotMatch(JSON.stringify([here.proxy.log, told]), /X-Amz|Signature|testsecret/i)
  })
})
