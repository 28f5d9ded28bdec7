import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, mock, test } from 'node:test'
import { adminApp } from '../../src/admin/admin-routes.ts'
import { readiness } from '../../src/admin/health.ts'
import { metrics } from '../../src/admin/metrics/metrics.ts'
import type { StoreUsage } from '../../src/ports/metadata.ts'
import { parseImagePattern } from '../../src/oci/image-pattern.ts'
import { type OpenStore, type StoreFolder, storeFolder } from '../storage/setup.ts'
import { call } from '../support/raw-client.ts'

const RUNNING = {
  upstream: 'docker.io',
  digest: 'sha256:abc',
  size: 10,
  filled: 5,
  bytesPerSecond: 1,
  followers: 2,
}
let draining = false
let probeStore: () => Promise<void> = () => Promise.resolve()
let usage: () => Promise<StoreUsage> = () =>
  Promise.resolve({
    objects: 3,
    bytes: 4096,
    indexBytes: 512,
    partialBytes: 1500,
    runningBytes: 36,
    disk: { totalBytes: 10, freeBytes: 1, totalInodes: 5, freeInodes: 5 },
  })
const counted = metrics({
  version: '1.2.3',
  limit: 8192,
  shares: () => new Map([['docker.io', 2048]]),
  usageByUpstream: async () => new Map([['docker.io', { objects: 2, bytes: 1024 }]]),
  usage: () => usage(),
  connections: async () => 7,
})
let server: Server
let folder: StoreFolder
let store: OpenStore
let port: number

before(async () => {
  folder = await storeFolder()
  store = await folder.open()
  const ready = readiness({ isDraining: () => draining, probeStore: () => probeStore(), probeTimeout: 50 })
  const transfers = () => [RUNNING]
  server = createServer(
    adminApp({
      metrics: counted,
      ready,
      transfers,
      history: async () => [],
      operations: store,
      audit: { record() {}, list: () => [] },
      jobs: { list: () => [], cancel: () => false },
      events: { since: () => [] },
      parsePattern: parseImagePattern,
      now: Date.now,
      failed: (error) => assert.fail(error as Error),
    }),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
after(async () => {
  server.close()
  await store.close()
  await folder[Symbol.asyncDispose]()
})

const json = async (path: string) => {
  const { status, headers, body } = await call(port, 'GET', path)
  assert.equal(headers['content-type'], 'application/json')
  return { status, body: JSON.parse(body.toString()) }
}

test('the process is there', async () => {
  assert.deepEqual(await json('/healthz'), { status: 200, body: { status: 'ok' } })
})

test('ready, unless draining or the store is not writable or silent', async () => {
  assert.deepEqual(await json('/readyz'), { status: 200, body: { status: 'ok' } })
  draining = true
  assert.deepEqual(await json('/readyz'), {
    status: 503,
    body: { status: 'unavailable', reasons: ['draining'] },
  })
  draining = false
  probeStore = () => Promise.reject(Object.assign(new Error('/var/lib/secret'), { code: 'EROFS' }))
  assert.deepEqual((await json('/readyz')).body.reasons, ['the store is not writable: EROFS'])
  probeStore = () => new Promise(() => {})
  assert.deepEqual((await json('/readyz')).body.reasons, [
    'the store is not writable: no answer within 50 ms',
  ])
  probeStore = () => Promise.resolve()
  assert.equal((await json('/readyz')).status, 200)
})

test('running transfers', async () => {
  assert.deepEqual((await json('/api/v1/transfers')).body, {
    transfers: [RUNNING],
  })
})

test('what is not there is 404', async () => {
  assert.equal((await json('/nothing')).status, 404)
})

test('metrics carry the names and labels of design.md section 1', async () => {
  const { requests, server, upstreams, transfers, store } = counted
  const hit = { kind: 'blob', result: 'hit', upstream: 'docker.io', seconds: 0.2 } as const
  const by = { repository: 'app', client: '10.0.0.1', isHead: false }
  requests.answered({ ...hit, ...by, bytes: 1000 })
  requests.answered({ ...hit, ...by, bytes: 24 })
  upstreams.answered('docker.io', 'tag', 429, 0.2)
  upstreams.answered('docker.io', 'token', undefined, 0.2)
  upstreams.received('docker.io', 77)
  upstreams.rateLimit('docker.io', 42, { limit: 100, isNearlyExhausted: false })
  upstreams.credentials('docker.io', 'refused')
  upstreams.circuit('docker.io', 'out')
  upstreams.denied('docker.io')
  transfers.running('docker.io', 2)
  transfers.waiting('docker.io', 3)
  server.responded(200)
  server.responded(200)
  server.responded(499)
  server.login('refused', { address: '10.0.0.1' })
  server.certificate('admin', Date.now() + 3600_400)
  transfers.resumed('docker.io')
  store.evicted('quota')
  store.failed('commit')
  const { headers, body } = await call(port, 'GET', '/metrics')
  assert.match(headers['content-type']!, /^text\/plain; version=0\.0\.4/)
  const lines = body.toString().split('\n')
  for (const line of [
    'entrepot_requests_total{upstream="docker.io",kind="blob",result="hit"} 2',
    'entrepot_request_seconds_count{kind="blob",result="hit"} 2',
    'entrepot_served_bytes_total{upstream="docker.io"} 1024',
    'entrepot_upstream_requests_total{upstream="docker.io",kind="tag",status="429"} 1',
    'entrepot_upstream_requests_total{upstream="docker.io",kind="token",status="none"} 1',
    'entrepot_upstream_bytes_total{upstream="docker.io"} 77',
    'entrepot_upstream_up{upstream="docker.io"} 0',
    'entrepot_upstream_circuit{upstream="docker.io"} 1',
    'entrepot_upstream_denied_total{upstream="docker.io"} 1',
    'entrepot_upstream_seconds_count{upstream="docker.io",kind="tag"} 1',
    'entrepot_upstream_ratelimit_remaining{upstream="docker.io"} 42',
    'entrepot_upstream_ratelimit_limit{upstream="docker.io"} 100',
    'entrepot_upstream_credentials_refused{upstream="docker.io"} 1',
    'entrepot_transfers{upstream="docker.io"} 2',
    'entrepot_transfer_resumes_total{upstream="docker.io"} 1',
    'entrepot_store_bytes 4096',
    'entrepot_store_objects 3',
    'entrepot_store_limit_bytes 8192',
    'entrepot_upstream_stored_bytes{upstream="docker.io"} 1024',
    'entrepot_upstream_stored_limit_bytes{upstream="docker.io"} 2048',
    'entrepot_store_free_bytes 1',
    'entrepot_store_index_bytes 512',
    'entrepot_partial_bytes 1536',
    'entrepot_build_info{version="1.2.3"} 1',
    'entrepot_connections 7',
    'entrepot_queue{upstream="docker.io"} 3',
    'entrepot_responses_total{code="200"} 2',
    'entrepot_responses_total{code="499"} 1',
    'entrepot_logins_total{result="refused"} 1',
    'entrepot_certificate_expiry_seconds{listener="admin"} 3600',
    'entrepot_upstream_circuit{upstream="docker.io"} 1',
    'entrepot_evictions_total{reason="quota"} 1',
    'entrepot_store_errors_total{operation="commit"} 1',
  ]) {
    assert.ok(lines.includes(line), line)
  }
})

test('a store that cannot be asked leaves the other metrics', async () => {
  const broken = mock.fn(() => Promise.reject<StoreUsage>(new Error('locked')))
  usage = broken
  const { status, body } = await call(port, 'GET', '/metrics')
  assert.equal(broken.mock.callCount(), 1)
  assert.equal(status, 200)
  assert.match(body.toString(), /^entrepot_store_bytes Nan$/m)
  assert.match(body.toString(), /^entrepot_store_errors_total\{operation="usage"\} 1$/m)
})
