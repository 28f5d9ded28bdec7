/** Traces of the whole proxy, as a collector gets them. */
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { type CollectedSpan, otlpCollector } from '../support/otlp-collector.ts'
import { startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'
import { startService } from '../support/service.ts'
import { tempFolder } from '../support/temp-folder.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const CLIENT_SPAN = '00f067aa0ba902b7'
const layer = blobOf(2_000_000)
const SERVER = 2
const CLIENT = 3

const traced = (flags: string, trace = TRACE) => [
  `traceparent: 00-${trace}-${CLIENT_SPAN}-${flags}`,
  'tracestate: vendor=secret',
]

const named = (spans: readonly CollectedSpan[], name: string) => spans.filter((span) => span.name === name)

suite('tracing', { concurrency: true }, () => {
  test('a cold pull that was resumed once is one connected trace, in and out', async () => {
    await using collector = await otlpCollector()
    await using upstream = await fakeUpstream()
    upstream.addBlob(layer.bytes)
    upstream.on(/blobs/, { atByte: { k: 1_000_000, then: 'reset' } })
    await using proxy = await startProxy({
      upstream,
      config: { tracing: { endpoint: collector.url, sample: '0%' } },
      requests: true,
    })
    const answer = await call(
      proxy.port,
      'GET',
      `/v2/app/blobs/${layer.digest}?token=in-the-query`,
      traced('01'),
    )
    assert.equal(answer.status, 200)
    assert.ok(answer.body.equals(layer.bytes))
    await eventually(() => named(collector.spans, 'download').length === 1, 20_000)
    await eventually(() => collector.spans.some(({ kind }) => kind === SERVER), 20_000)

    const { spans } = collector
    assert.deepEqual([...new Set(spans.map(({ traceId }) => traceId))], [TRACE])
    const ids = new Set([CLIENT_SPAN, ...spans.map(({ spanId }) => spanId)])
    for (const { name, parentSpanId } of spans) assert.ok(ids.has(parentSpanId!), `${name} has no parent`)

    const request = spans.find(({ kind }) => kind === SERVER)
    assert.equal(request?.parentSpanId, CLIENT_SPAN)
    assert.equal(request.attributes['http.route'], '/v2/{name}/blobs/{digest}')
    assert.equal(request.attributes['http.response.status_code'], 200)
    assert.equal(request.attributes['entrepot.cache'], 'miss')
    const [open] = named(spans, 'open blob')
    const [download] = named(spans, 'download')
    assert.deepEqual([open?.parentSpanId, download?.parentSpanId], [request.spanId, open?.spanId])
    assert.equal(download?.attributes['entrepot.outcome'], 'committed')

    const attempts = named(spans, 'fetch blob')
    assert.equal(attempts.length, 2)
    assert.deepEqual(
      attempts.map(({ status }) => status.code ?? 0),
      [2, 0],
    )
    assert.ok(attempts.every(({ parentSpanId }) => parentSpanId === download?.spanId))
    assert.equal(attempts[0]!.attributes['entrepot.from_byte'], 0)
    assert.ok(Number(attempts[1]!.attributes['entrepot.from_byte']) > 0)
    const sent = named(spans, 'GET blob')
    assert.deepEqual(
      sent.map(({ kind, attributes }) => [kind, attributes['http.response.status_code']]),
      [
        [CLIENT, 200],
        [CLIENT, 206],
      ],
    )
    assert.deepEqual(
      sent.map(({ parentSpanId }) => parentSpanId),
      attempts.map(({ spanId }) => spanId),
    )
    assert.match(String(sent[1]!.attributes['http.request.header.range']), /^bytes=\d+-/)

    const outgoing = upstream.requests.filter(({ path }) => path.includes('/blobs/'))
    assert.deepEqual(
      outgoing.map(({ headers }) => headers['traceparent']),
      sent.map(({ spanId }) => `00-${TRACE}-${spanId}-01`),
    )
    assert.ok(outgoing.every(({ headers }) => headers['tracestate'] === undefined))
    const line = proxy.log.find(({ msg }) => msg === 'request')
    assert.equal(line?.['traceId'], TRACE)
    assert.ok(!JSON.stringify(spans).includes('in-the-query'))
    const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
    assert.match(
      metrics,
      new RegExp(`^entrepot_trace_spans_total\\{result="exported"\\} ${spans.length}$`, 'm'),
    )
  })

  test('the client decides what is recorded; where it does not, the share that is configured', async () => {
    await using collector = await otlpCollector()
    await using upstream = await fakeUpstream()
    for (const tag of ['1', '2', '3'])
      upstream.addManifest('library/app', tag, manifestOf([], { annotations: { tag } }), OCI_MANIFEST)
    const config = { tracing: { endpoint: `${collector.url}/`, sample: '100%' } }
    await using proxy = await startProxy({ upstream, config })
    const other = TRACE.replace('4', '5')
    assert.equal((await call(proxy.port, 'GET', '/v2/app/manifests/1', traced('00', other))).status, 200)
    assert.equal((await call(proxy.port, 'GET', '/v2/app/manifests/2')).status, 200)
    assert.equal((await call(proxy.port, 'GET', '/v2/app/manifests/2')).status, 200)
    await eventually(() => collector.spans.filter(({ kind }) => kind === SERVER).length === 2, 20_000)
    const { spans } = collector
    assert.ok(spans.every(({ traceId }) => traceId !== other))
    assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 2)
    const ofOther = upstream.requests.find(({ path }) => path.includes('manifests/1'))
    assert.match(String(ofOther!.headers['traceparent']), new RegExp(`^00-${other}-[0-9a-f]{16}-00$`))
    const caches = spans
      .filter(({ kind }) => kind === SERVER)
      .map(({ attributes }) => attributes['entrepot.cache'])
    assert.deepEqual(caches, ['miss', 'hit'])
    const hit = named(spans, 'resolve tag').find(({ attributes }) => attributes['entrepot.cache'] === 'hit')
    assert.ok(hit)
  })

  test('a collector that fails is one line, and harms no pull; what ended is exported at the stop', async () => {
    await using collector = await otlpCollector()
    collector.answer(400)
    await using upstream = await fakeUpstream()
    upstream.addManifest('library/app', '1', manifestOf([]), OCI_MANIFEST)
    const config = { tracing: { endpoint: collector.url, sample: '100%' } }
    await using proxy = await startProxy({ upstream, config })
    const trouble = () =>
      proxy.log.filter(({ msg }) => String(msg).startsWith('traces ')).map(({ msg }) => msg)
    for (let i = 0; i < 3; i++) {
      assert.equal((await call(proxy.port, 'GET', '/v2/app/manifests/1')).status, 200)
      await eventually(() => trouble().length > 0, 20_000)
    }
    assert.deepEqual(trouble(), ['traces cannot be exported'])
    collector.answer(200)
    assert.equal((await call(proxy.port, 'GET', '/v2/app/manifests/1', traced('01'))).status, 200)
    await proxy.stop()
    assert.ok(collector.spans.some(({ traceId, kind }) => traceId === TRACE && kind === SERVER))
  })

  test('where it is off, none of its code is loaded', async () => {
    await using folder = await tempFolder()
    const loadedWith = async (tracing: object): Promise<readonly string[]> => {
      const coverage = join(folder.path, `coverage-${Object.keys(tracing).length}`)
      {
        await using service = await startService({
          folder: folder.path,
          config: { ...tracing, upstreams: { 'a.test': {} } },
          env: { NODE_V8_COVERAGE: coverage },
        })
        service.signal('SIGTERM')
        assert.equal((await service.exited).code, 0)
      }
      const files = await readdir(coverage)
      const texts = await Promise.all(files.map((file) => readFile(join(coverage, file), 'utf8')))
      const reports = texts.map(
        (text) => JSON.parse(text) as { readonly result: readonly { readonly url: string }[] },
      )
      return reports.flatMap(({ result }) => result.map(({ url }) => url))
    }
    const isTracing = (url: string): boolean => /src\/tracing\/|@opentelemetry\/(?!api\/)/.test(url)
    const off = await loadedWith({})
    assert.ok(off.some((url) => url.endsWith('src/app.ts')))
    assert.deepEqual(off.filter(isTracing), [])
    const on = await loadedWith({ tracing: { endpoint: 'http://127.0.0.1:1' } })
    assert.ok(on.some(isTracing))
  })
})
