/** What an answer says about its origin, and about failures. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { renderCacheStatus } from '../../src/http/headers/cache-status.ts'
import type { CacheStatus } from '../../src/ports/read-options.ts'
import { SHARED_INDEX } from '../../src/ports/cluster.ts'
import { type ErrorCode, RegistryError } from '../../src/oci/errors.ts'
import { blobOf, eventually, indexOf, manifestOf } from '../support/fixtures.ts'
import { referrersIn } from '../../src/oci/referrers.ts'
import { MemoryRegistry } from '../support/memory-registry.ts'
import { call } from '../support/raw-client.ts'
import { type RegistryServer, serveRegistry } from '../support/registry-server.ts'

const registry = new MemoryRegistry()
const { bytes, digest } = blobOf(2000)
registry.addBlob(bytes)
const manifest = manifestOf([bytes])
const manifestDigest = registry.addManifest(manifest, { tag: 'latest' })
const PATHS = {
  blob: `/v2/library/app/blobs/${digest}`,
  manifest: `/v2/library/app/manifests/${digest}`,
  tag: '/v2/library/app/manifests/latest',
  tags: '/v2/library/app/tags/list',
  referrers: `/v2/library/app/referrers/${digest}`,
} as const

let server: RegistryServer
before(async () => (server = await serveRegistry(registry)))
after(() => server.close(0))
beforeEach(() => {
  registry.overrides = {}
  for (const list of [server.lines, server.answered, server.unexpected]) list.length = 0
})

test('Cache-Status (RFC 9211) as design.md section 1 writes it', () => {
  const cases: [CacheStatus | undefined, string][] = [
    [{ result: 'hit', ttl: 41.9 }, 'entrepot; hit; ttl=41'],
    [{ result: 'hit' }, 'entrepot; hit'],
    [{ result: 'miss', stored: true }, 'entrepot; fwd=uri-miss; stored'],
    [{ result: 'miss', forwardStatus: 404 }, 'entrepot; fwd=uri-miss; fwd-status=404'],
    [{ result: 'collapsed' }, 'entrepot; fwd=uri-miss; collapsed'],
    [{ result: 'revalidated', forwardStatus: 200 }, 'entrepot; fwd=stale; fwd-status=200'],
    [{ result: 'stale', ttl: -320 }, 'entrepot; hit; ttl=-320; detail=stale-if-error'],
    [{ result: 'negative' }, 'entrepot; hit; detail=negative'],
    [undefined, 'entrepot; detail=local'],
  ]
  for (const [status, expected] of cases) assert.equal(renderCacheStatus(status), expected)
})

function failing(error: unknown): MemoryRegistry['overrides'] {
  const fail = () => Promise.reject(error)
  return {
    blobs: { stat: fail, open: fail },
    manifests: { get: fail },
    tags: { resolve: fail, list: fail },
    referrers: { list: fail },
  }
}

test('what the database of the replicas has to decide is said to wait for it, not for the disk here', async () => {
  registry.overrides = failing(new RegistryError('STORAGE', { operation: SHARED_INDEX, reason: 'ETIMEDOUT' }))
  const answer = await call(server.port, 'GET', PATHS.tag)
  const [{ message, detail }] = JSON.parse(answer.body.toString()).errors
  assert.deepEqual(
    [answer.status, message, detail.reason],
    [503, 'the database of the replicas does not answer, retry later', 'ETIMEDOUT'],
  )
})

describe('a failure by its cause', () => {
  const FAILURES: Partial<Record<ErrorCode, readonly [status: number, code: string]>> = {
    UPSTREAM_LIMITED: [503, 'UNAVAILABLE'],
    UPSTREAM_UNAVAILABLE: [502, 'UNAVAILABLE'],
    UPSTREAM_INVALID: [502, 'UNAVAILABLE'],
    UPSTREAM_TIMEOUT: [504, 'UNAVAILABLE'],
    TOOMANYREQUESTS: [429, 'TOOMANYREQUESTS'],
    STORAGE: [503, 'UNAVAILABLE'],
  }
  for (const [cause, [status, code]] of Object.entries(FAILURES)) {
    test(`${cause} is ${status} to every question, by GET and HEAD`, async () => {
      registry.overrides = failing(
        new RegistryError(cause as ErrorCode, { upstream: 'example.com', status: 418 }),
      )
      for (const path of Object.values(PATHS)) {
        const head = await call(server.port, 'HEAD', path)
        const get = await call(server.port, 'GET', path)
        assert.deepEqual([head.status, get.status], [status, status])
        assert.equal(head.headers['content-length'], String(get.body.length))
        const [error] = JSON.parse(get.body.toString()).errors
        assert.equal(error.code, code)
        assert.deepEqual([error.detail.upstream, error.detail.status], ['example.com', 418])
        assert.equal(get.headers['www-authenticate'], undefined)
        const isUpstreams = cause.startsWith('UPSTREAM')
        assert.equal(
          get.headers['cache-status'],
          isUpstreams ? 'entrepot; fwd=uri-miss; fwd-status=418' : 'entrepot; detail=local',
        )
        const isShort = cause === 'UPSTREAM_LIMITED' || cause === 'TOOMANYREQUESTS'
        assert.equal(get.headers['retry-after'], isShort ? '3' : undefined)
      }
      await eventually(() => server.answered.length === 10)
      assert.ok(server.answered.every(({ result }) => result === 'error'))
    })
  }

  test('denied by upstream: it does not exist, DENIED in the detail, never a challenge (SEC-09)', async () => {
    registry.overrides = failing(
      new RegistryError('UPSTREAM_DENIED', { upstream: 'example.com', status: 401 }),
    )
    const codes: Record<string, string> = {}
    for (const [kind, path] of Object.entries(PATHS)) {
      const { status, headers, body } = await call(server.port, 'GET', path)
      const [error] = JSON.parse(body.toString()).errors
      assert.deepEqual([status, error.detail.reason, error.detail.status], [404, 'DENIED', 401])
      assert.equal(headers['www-authenticate'], undefined)
      codes[kind] = error.code
    }
    assert.deepEqual(codes, {
      blob: 'BLOB_UNKNOWN',
      manifest: 'MANIFEST_UNKNOWN',
      tag: 'MANIFEST_UNKNOWN',
      tags: 'NAME_UNKNOWN',
      referrers: 'MANIFEST_UNKNOWN',
    })
  })

  test('an unexpected one is 500 without its message, logged', async () => {
    registry.overrides = failing(new TypeError('secret /var/lib/path'))
    const { status, body } = await call(server.port, 'GET', PATHS.tag)
    assert.equal(status, 500)
    assert.doesNotMatch(body.toString(), /secret/)
    assert.equal((server.unexpected[0] as { err: Error }).err.message, 'secret /var/lib/path')
  })

  test('absent: the detail names upstream, repository and what was asked', async () => {
    registry.overrides = {
      tags: {
        resolve: async (_tag, options) => {
          options?.report?.({ result: 'miss', forwardStatus: 404 })
          return undefined
        },
        list: async () => undefined,
      },
    }
    const { headers, body } = await call(server.port, 'GET', PATHS.tag)
    assert.equal(headers['cache-status'], 'entrepot; fwd=uri-miss; fwd-status=404')
    const [{ detail }] = JSON.parse(body.toString()).errors
    assert.deepEqual(detail, {
      upstream: 'example.com',
      repository: 'library/app',
      reference: 'latest',
      status: 404,
    })
  })
})

describe('a manifest by tag tells how the tag was resolved', () => {
  const cases: [CacheStatus, CacheStatus, string, string][] = [
    [{ result: 'hit', ttl: 41 }, { result: 'hit' }, 'entrepot; hit; ttl=41', 'hit'],
    [
      { result: 'revalidated', forwardStatus: 200 },
      { result: 'hit' },
      'entrepot; fwd=stale; fwd-status=200',
      'miss',
    ],
    [
      { result: 'stale', ttl: -320 },
      { result: 'hit' },
      'entrepot; hit; ttl=-320; detail=stale-if-error',
      'stale',
    ],
    [{ result: 'hit', ttl: 41 }, { result: 'miss', stored: true }, 'entrepot; fwd=uri-miss; stored', 'miss'],
  ]
  for (const [ofTag, ofManifest, expected, result] of cases) {
    test(`${ofTag.result} tag, ${ofManifest.result} manifest`, async () => {
      const { tags, manifests } = registry.find({ name: 'library/app' })!
      registry.overrides = {
        tags: {
          list: tags.list,
          async resolve(tag, options) {
            options?.report?.(ofTag)
            return await tags.resolve(tag)
          },
        },
        manifests: {
          async get(digest, options) {
            options?.report?.(ofManifest)
            return await manifests.get(digest)
          },
        },
      }
      const { headers } = await call(server.port, 'GET', PATHS.tag)
      assert.equal(headers['cache-status'], expected)
      await eventually(() => server.answered.length === 1)
      assert.equal(server.answered[0]!.result, result)
    })
  }
})

test('F50: If-None-Match as list, weak, any, and the unquoted digest of distribution', async () => {
  const matching = [
    `"${manifestDigest}"`,
    `W/"${manifestDigest}"`,
    `"x", "${manifestDigest}"`,
    '*',
    manifestDigest,
    `"a","b" ,W/"${manifestDigest}"`,
  ]
  for (const value of matching) {
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await call(server.port, method, PATHS.tag, [
        `If-None-Match: ${value}`,
      ])
      assert.equal(status, 304, value)
      assert.deepEqual(
        [headers['etag'], headers['docker-content-digest']],
        [`"${manifestDigest}"`, manifestDigest],
      )
      assert.equal(body.length, 0)
    }
  }
  for (const value of ['"x"', `"${digest}"`, '""', ',', `"${manifestDigest}`, `"${manifestDigest}x"`]) {
    assert.equal((await call(server.port, 'GET', PATHS.tag, [`If-None-Match: ${value}`])).status, 200, value)
  }
  const { opened } = registry
  assert.equal((await call(server.port, 'GET', PATHS.blob, ['If-None-Match: *'])).status, 304)
  assert.equal(registry.opened, opened, 'an unmodified blob was opened')
  const absent = `/v2/library/app/blobs/sha256:${'0'.repeat(64)}`
  assert.equal((await call(server.port, 'GET', absent, ['If-None-Match: *'])).status, 404)
})

test('sha512: what was asked under it is answered under it (SEC-33)', async () => {
  const { digestOf } = await import('../../src/oci/digest.ts')
  const like = `sha512:${'0'.repeat(128)}` as typeof digest
  const sha512 = digestOf(bytes, like)
  registry.addBlob(bytes, sha512)
  registry.addManifest(manifest, { digest: digestOf(manifest, like) })
  const blob = await call(server.port, 'GET', `/v2/library/app/blobs/${sha512}`)
  assert.deepEqual([blob.headers['docker-content-digest'], blob.headers['etag']], [sha512, `"${sha512}"`])
  const path = `/v2/library/app/manifests/${digestOf(manifest, like)}`
  assert.equal(
    (await call(server.port, 'GET', path)).headers['docker-content-digest'],
    digestOf(manifest, like),
  )
})

test('referrers: an index of them, filtered here, and an empty one where there are none', async () => {
  const [signature, sbom] = ['application/x', 'application/y'].map((artifactType) => ({
    artifactType,
    digest,
    size: 3,
  }))
  const referrers = referrersIn(indexOf([signature, sbom] as never))!
  registry.referrers.set(digest, referrers)
  const all = await call(server.port, 'GET', PATHS.referrers)
  assert.equal(all.headers['content-type'], 'application/vnd.oci.image.index.v1+json')
  assert.equal(all.headers['oci-filters-applied'], undefined)
  assert.deepEqual(
    JSON.parse(all.body.toString()),
    JSON.parse(indexOf([signature, sbom] as never).toString()),
  )
  const filtered = await call(server.port, 'GET', `${PATHS.referrers}?artifactType=application/x`)
  assert.equal(filtered.headers['oci-filters-applied'], 'artifactType')
  assert.deepEqual(JSON.parse(filtered.body.toString()).manifests, [signature])
  const none = await call(server.port, 'GET', `/v2/library/app/referrers/${manifestDigest}`)
  assert.deepEqual([none.status, JSON.parse(none.body.toString()).manifests], [200, []])
})

const OF_APP = { upstream: 'example.com', repository: 'library/app', client: '127.0.0.1' }

test('one line and one count per request', async () => {
  await call(server.port, 'GET', PATHS.blob)
  await call(server.port, 'HEAD', PATHS.tag)
  await call(server.port, 'GET', '/v2/')
  await eventually(() => server.lines.length === 3)
  const [blob, tag, ping] = server.lines.map(({ ms, time, requestId, ...line }) => {
    assert.equal(typeof ms, 'number')
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    assert.match(String(requestId), /^[0-9a-f]{12}-[0-9a-z]+$/)
    return line
  })
  const all = { level: 30, msg: 'request', client: '127.0.0.1', status: 200 }
  const common = { ...all, upstream: 'example.com', repository: 'library/app', cache: 'hit' }
  assert.deepEqual(blob, { ...common, kind: 'blob', method: 'GET', reference: digest, bytes: 2000 })
  assert.deepEqual(tag, { ...common, kind: 'tag', method: 'HEAD', reference: 'latest', bytes: 0 })
  assert.deepEqual(ping, { ...all, method: 'GET', path: '/v2/', bytes: 2 })
  assert.deepEqual(
    server.answered.map(({ seconds, ...answered }) => (assert.ok(seconds >= 0), answered)),
    [
      { ...OF_APP, kind: 'blob', isHead: false, result: 'hit', bytes: 2000 },
      { ...OF_APP, kind: 'tag', isHead: true, result: 'hit', bytes: 0 },
    ],
  )
})
