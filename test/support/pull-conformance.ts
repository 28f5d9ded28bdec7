/**
 * The pull half of the OCI conformance suite (distribution-spec v1.1.1, conformance/), with the header contract of
 * reference/clients.md 1.1, as a table of calls. It knows HTTP only: it runs against anything that serves `content`.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { ranges } from './pull-conformance-ranges.ts'
import { type KnownReferrers, referrers } from './pull-conformance-referrers.ts'
import { call } from './raw-client.ts'

export interface KnownContent {
  /** As a client writes it. */
  readonly repository: string
  /** All tags of the repository in lexical order, at least four; each of them is the manifest. */
  readonly tags: readonly string[]
  readonly manifest: Buffer
  readonly mediaType: string
  /** At least 1000 bytes. */
  readonly blob: Buffer
  readonly referrers?: KnownReferrers['referrers']
}

export interface Call {
  readonly description: string
  readonly method?: 'GET' | 'HEAD'
  readonly path: string
  readonly request?: readonly string[]
  readonly status: number
  /** Exact values; undefined = must be absent. */
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body?: Buffer
  readonly json?: unknown
  /** The code of the one error in the body. */
  readonly code?: string
}

/** Registers the tests. `port` is asked when they run. */
export function pullConformance(title: string, content: KnownContent, port: () => number): void {
  describe(title, () => {
    for (const expected of [
      ...PING,
      ...manifests(content),
      ...blobs(content),
      ...ranges(content),
      ...tags(content),
      ...(content.referrers ? referrers({ ...content, referrers: content.referrers }) : []),
    ]) {
      const method = expected.method ?? 'GET'
      test(`${expected.description}: ${method} ${expected.path.slice(0, 90)}`, async () => {
        const actual = await call(port(), method, expected.path, expected.request)
        assert.equal(actual.status, expected.status, actual.body.toString())
        assert.equal(actual.headers['docker-distribution-api-version'], 'registry/2.0')
        assert.match(actual.headers['cache-status']!, /^entrepot; (hit|fwd=|detail=local)/)
        assert.equal(actual.headers['transfer-encoding'], undefined)
        assert.equal(actual.headers['www-authenticate'], undefined)
        for (const [name, value] of Object.entries(expected.headers ?? {})) {
          assert.equal(actual.headers[name], value, name)
        }
        if (expected.body !== undefined) assert.ok(actual.body.equals(expected.body), 'another body')
        if (expected.json !== undefined) assert.deepEqual(JSON.parse(actual.body.toString()), expected.json)
        if (expected.code !== undefined) {
          assert.equal(actual.headers['content-type'], 'application/json')
          const { errors } = JSON.parse(actual.body.toString())
          assert.equal(errors[0].code, expected.code)
        }
      })
    }
  })
}

const PING: readonly Call[] = [
  {
    description: 'the API is there',
    path: '/v2/',
    status: 200,
    headers: { 'content-type': 'application/json', 'content-length': '2' },
    json: {},
  },
  { description: 'also without the slash', path: '/v2', status: 200, json: {} },
  {
    description: 'also by HEAD',
    method: 'HEAD',
    path: '/v2/',
    status: 200,
    headers: { 'content-length': '2' },
  },
]

const NOTHING = Buffer.alloc(0)
const ABSENT = digestOf(Buffer.from('this is nowhere'))

function manifests({ repository, tags, manifest, mediaType }: KnownContent): Call[] {
  const digest = digestOf(manifest)
  const headers = {
    'content-type': mediaType,
    'content-length': String(manifest.length),
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    'content-encoding': undefined,
  }
  const at = (reference: string) => `/v2/${repository}/manifests/${reference}`
  return [
    { description: 'manifest by tag', path: at(tags[0]!), status: 200, headers, body: manifest },
    {
      description: 'manifest by tag',
      method: 'HEAD',
      path: at(tags[0]!),
      status: 200,
      headers,
      body: NOTHING,
    },
    { description: 'manifest by digest', path: at(digest), status: 200, headers, body: manifest },
    {
      description: 'manifest by digest',
      method: 'HEAD',
      path: at(digest),
      status: 200,
      headers,
      body: NOTHING,
    },
    {
      description: 'a range of a manifest is ignored',
      path: at(digest),
      request: ['Range: bytes=0-'],
      status: 200,
      headers,
      body: manifest,
    },
    { description: 'absent tag', path: at('absent'), status: 404, code: 'MANIFEST_UNKNOWN' },
    { description: 'absent tag', method: 'HEAD', path: at('absent'), status: 404, body: NOTHING },
    {
      description: 'impossible tag',
      path: at('.INVALID_MANIFEST_NAME'),
      status: 404,
      code: 'MANIFEST_UNKNOWN',
    },
    { description: 'absent manifest', path: at(ABSENT), status: 404, code: 'MANIFEST_UNKNOWN' },
    { description: 'absent manifest', method: 'HEAD', path: at(ABSENT), status: 404, body: NOTHING },
    { description: 'malformed digest', path: at('sha256:baddigest'), status: 400, code: 'DIGEST_INVALID' },
    {
      description: 'unmodified manifest',
      path: at(tags[0]!),
      request: [`If-None-Match: "${digest}"`],
      status: 304,
      headers: { etag: `"${digest}"`, 'docker-content-digest': digest },
    },
    {
      description: 'modified manifest',
      path: at(tags[0]!),
      request: [`If-None-Match: "${ABSENT}"`],
      status: 200,
      headers,
      body: manifest,
    },
  ]
}

function blobs({ repository, blob }: KnownContent): Call[] {
  const digest = digestOf(blob)
  const headers = {
    'content-type': 'application/octet-stream',
    'content-length': String(blob.length),
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    'accept-ranges': 'bytes',
    'content-encoding': undefined,
    'content-range': undefined,
  }
  const at = (digest: string) => `/v2/${repository}/blobs/${digest}`
  return [
    { description: 'blob', method: 'HEAD', path: at(digest), status: 200, headers, body: NOTHING },
    { description: 'blob', path: at(digest), status: 200, headers, body: blob },
    {
      description: 'a range on HEAD is ignored',
      method: 'HEAD',
      path: at(digest),
      request: ['Range: bytes=0-9'],
      status: 200,
      headers,
    },
    { description: 'absent blob', path: at(ABSENT), status: 404, code: 'BLOB_UNKNOWN' },
    { description: 'absent blob', method: 'HEAD', path: at(ABSENT), status: 404, body: NOTHING },
    { description: 'malformed digest', path: at('sha256:baddigest'), status: 400, code: 'DIGEST_INVALID' },
    {
      description: 'unknown algorithm',
      path: at('md5:d41d8cd98f00b204e9800998ecf8427e'),
      status: 400,
      code: 'DIGEST_INVALID',
    },
    {
      description: 'unmodified blob',
      path: at(digest),
      request: [`If-None-Match: W/"x", "${digest}"`],
      status: 304,
      headers: { etag: `"${digest}"`, 'docker-content-digest': digest },
    },
  ]
}

function tags({ repository, tags }: KnownContent): Call[] {
  const path = `/v2/${repository}/tags/list`
  const page = (...tags: string[]) => ({ name: repository, tags })
  const link = (query: string) => `<${path}?${query}>; rel="next"`
  const [first, second, third] = tags as [string, string, string]
  return [
    {
      description: 'all tags',
      path,
      status: 200,
      headers: { 'content-type': 'application/json', link: undefined },
      json: page(...tags),
    },
    { description: 'all tags', method: 'HEAD', path, status: 200, body: NOTHING },
    {
      description: 'a page of tags',
      path: `${path}?n=2`,
      status: 200,
      headers: { link: link(`n=2&last=${second}`) },
      json: page(first, second),
    },
    {
      description: 'the next page',
      path: `${path}?n=1&last=${second}`,
      status: 200,
      headers: { link: link(`n=1&last=${third}`) },
      json: page(third),
    },
    {
      description: 'the last page',
      path: `${path}?n=1000&last=${first}`,
      status: 200,
      headers: { link: undefined },
      json: page(...tags.slice(1)),
    },
    {
      description: 'after the last',
      path: `${path}?last=${tags.at(-1)}`,
      status: 200,
      headers: { link: undefined },
      json: page(),
    },
    {
      description: 'no tags at all',
      path: `${path}?n=0`,
      status: 200,
      headers: { link: undefined },
      json: page(),
    },
    ...['-1', 'abc', '', '1e12', '1000000000000', '1.5', '%31%30%30%30%31'].map((n) => ({
      description: 'SEC-57 a page that cannot be',
      path: `${path}?n=${n}`,
      status: 400,
      code: 'PAGINATION_NUMBER_INVALID',
    })),
    { description: 'SEC-57 last that is no text', path: `${path}?last=%00`, status: 400 },
    {
      description: 'absent repository',
      path: `/v2/${repository}-absent/tags/list`,
      status: 404,
      code: 'NAME_UNKNOWN',
    },
  ]
}
