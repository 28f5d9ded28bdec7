/** The access log: what a line says, and when it is made. */
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, test } from 'node:test'
import { pino, stdTimeFunctions } from 'pino'
import { Exchange } from '../../src/http/exchange.ts'
import { requestIds } from '../../src/http/request-id.ts'
import { requestLines, type RequestRecord, SubjectText } from '../../src/http/access-log-line.ts'
import { AccessLog, type LineSource } from '../../src/http/access-log.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { eventually } from '../support/fixtures.ts'
import { MemoryRegistry } from '../support/memory-registry.ts'
import { call, RawClient } from '../support/raw-client.ts'
import { serveRegistry } from '../support/registry-server.ts'

const RECORD: RequestRecord = {
  time: Date.UTC(2026, 10, 26, 1, 2, 3, 4),
  ms: 1.26,
  method: 'GET',
  kind: 'blob',
  client: '10.0.0.1',
  userAgent: 'containerd/2.1',
  requestId: 'a-1',
  traceId: undefined,
  identity: 'ci-7',
  upstream: 'docker.io',
  repository: 'library/app',
  reference: 'sha256:00',
  path: '/v2/library/app/blobs/sha256:00',
  range: 'bytes=0-',
  status: 206,
  bytes: 17,
  cache: 'hit',
  cost: undefined,
  subject: undefined,
  isAborted: true,
  failure: undefined,
}

describe('a line', () => {
  const lineOf = requestLines()

  test('is what pino would write', (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: RECORD.time })
    let written = ''
    const log = pino(
      { base: null, timestamp: stdTimeFunctions.isoTime },
      { write: (line) => (written = line) },
    )
    const { time: _, path: __, isAborted: aborted, failure, ...fields } = RECORD
    const order = ['method', 'kind', 'client', 'userAgent', 'requestId', 'identity', 'upstream', 'repository']
    order.push('reference', 'range', 'status', 'bytes', 'ms', 'cache')
    const values = Object.fromEntries(order.map((key) => [key, fields[key as keyof typeof fields]]))
    log.info({ ...values, ms: 1.3, aborted, error: failure }, 'request')
    assert.equal(lineOf(RECORD), written)
  })

  test('tells each millisecond, of the same second and of others', () => {
    for (const time of [0, 1, 12, 123, 999, 1000, 1001, 86_400_000, 5]) {
      assert.equal(JSON.parse(lineOf({ ...RECORD, time })).time, new Date(time).toISOString())
    }
  })

  test('F88: whatever a client sends stays one line of JSON, and short', () => {
    const hostile = '"\\\n\r\u2028\u0000\u007f\ud800é😀'
    for (const key of ['userAgent', 'range', 'path', 'identity', 'client', 'method'] as const) {
      const line = lineOf({ ...RECORD, repository: undefined, [key]: hostile.repeat(1000) })
      assert.equal(line.indexOf('\n'), line.length - 1)
      assert.ok(line.length < 3000)
      assert.ok(JSON.parse(line)[key].startsWith('"\\\n'))
    }
  })

  test('says the same after whatever other lines, though parts of them are kept', () => {
    const subject = new SubjectText('manifest')
    const userAgents = [undefined, 'curl/8', 'containerd/2.1', 'x'.repeat(301)]
    const repositories = [undefined, 'library/app', 'library/db']
    const clients = Array.from({ length: 300 }, (_, i) => `10.0.0.${i}`)
    for (let i = 0; i < 2000; i++) {
      const record: RequestRecord = {
        ...RECORD,
        time: RECORD.time + (i % 7),
        method: i % 5 === 0 ? 'HEAD' : 'GET',
        kind: i % 11 === 0 ? undefined : 'manifest',
        client: clients[(i * i) % clients.length]!,
        userAgent: userAgents[i % 4],
        upstream: i % 13 === 0 ? 'ghcr.io' : 'docker.io',
        repository: repositories[i % 3],
        reference: i % 4 === 0 ? 'latest' : undefined,
        range: i % 6 === 0 ? 'bytes=0-' : undefined,
        status: i % 17 === 0 ? 404 : 200,
        bytes: i % 23 === 0 ? 0 : 17,
        identity: i % 29 === 0 ? 'ci' : undefined,
        isAborted: i % 19 === 0,
      }
      const kept = record.kind === undefined ? undefined : subject
      assert.equal(lineOf({ ...record, subject: kept }), requestLines()(record))
    }
  })

  test('names the cause of a failure', () => {
    const failure = new RegistryError('BLOB_UNKNOWN', { upstream: 'a"b' })
    const { error, detail } = JSON.parse(lineOf({ ...RECORD, failure }))
    assert.deepEqual([error, detail], ['BLOB_UNKNOWN', { upstream: 'a"b' }])
  })
})

function exchange(): Exchange {
  const incoming = { method: 'GET', url: '/v2/', headers: {}, socket: { remoteAddress: '::1' } }
  return new Exchange(incoming as unknown as IncomingMessage, {} as ServerResponse, 'id')
}

describe('the log', () => {
  test('writes no line while requests are answered, unless many wait, and every line later, in order', () => {
    const written: string[] = []
    const waiting: LineSource[] = []
    const sink = {
      write: (text: string) => written.push(text),
      writeLater: (it: LineSource) => waiting.push(it),
    }
    const log = new AccessLog({ sink, mode: () => true, mostWaiting: 20_000 })
    for (let status = 200; status < 550; status++) log.add(exchange(), status, 1)
    assert.ok(written.length > 1 && written.every((text) => text.length > 20_000 && text.length < 21_000))
    assert.equal(waiting.length, written.length + 1)
    const text = written.join('') + log.takeLines()
    const lines = text.trimEnd().split('\n')
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).status),
      Array.from({ length: 350 }, (_, i) => 200 + i),
    )
    assert.equal(log.takeLines(), '')
  })

  test('by its mode: everything, failures, nothing; at once when it changes', () => {
    let mode: boolean | 'errors' = true
    const log = new AccessLog({ sink: { write() {}, writeLater() {} }, mode: () => mode })
    const statuses = () => {
      for (const status of [200, 304, 404, 499, 500]) log.add(exchange(), status, 1)
      return log
        .takeLines()
        .trimEnd()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).status)
    }
    assert.deepEqual(statuses(), [200, 304, 404, 499, 500])
    mode = 'errors'
    assert.deepEqual(statuses(), [404, 499, 500])
    mode = false
    assert.deepEqual(statuses(), [])
  })
})

test('X-Request-Id is taken when it is harmless, else made; answered and logged', async () => {
  await using server = await serveRegistry(new MemoryRegistry())
  for (const given of ['a', 'A-1_b.c', 'x'.repeat(128)]) {
    const { headers } = await call(server.port, 'GET', '/v2/', [`X-Request-Id: ${given}`])
    assert.equal(headers['x-request-id'], given)
  }
  const made = new Set<string>()
  for (const given of ['', 'a b', 'x'.repeat(129), '"', 'é']) {
    const { headers } = await call(server.port, 'GET', '/v2/nothing', [`X-Request-Id: ${given}`])
    assert.match(headers['x-request-id']!, /^[0-9a-f]{12}-\w+$/)
    made.add(headers['x-request-id']!)
  }
  assert.equal(made.size, 5)
  await eventually(() => server.lines.length === 8)
  assert.ok(server.lines.slice(3).every(({ requestId }) => made.has(String(requestId))))
  assert.equal(requestIds()(['a', 'b'])!.includes('a,'), false)
})

test('a client that leaves an open-ended range early has not aborted anything', async () => {
  const registry = new MemoryRegistry()
  const digest = registry.addBlob(Buffer.alloc(64 * 1024 * 1024))
  await using server = await serveRegistry(registry)
  for (const range of ['bytes=5-', 'bytes=5-60000000']) {
    using client = await RawClient.connect(server.port)
    client.request('GET', `/v2/library/app/blobs/${digest}`, [`Range: ${range}`])
    await client.received(1000)
    client.socket.destroy()
    await eventually(() => server.lines.some((line) => line['range'] === range))
  }
  assert.deepEqual(
    server.lines.map((line) => [line['status'], line['aborted']]),
    [
      [206, undefined],
      [206, true],
    ],
  )
})
