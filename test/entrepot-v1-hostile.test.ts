/** An endpoint of the first protocol that lies: clear errors, and bounded work. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { DOCKER_MANIFEST, OCI_MANIFEST } from '../src/oci/media-types.ts'
import { fakeUpstream, type Script } from './support/fake-upstream.ts'
import { type FakeV1, fakeV1, idOf } from './support/fake-v1.ts'
import { blobOf, manifestOf } from './support/fixtures.ts'
import { startProxy } from './support/proxy.ts'
import { call } from './support/raw-client.ts'

const TAG = '/v2/library/old/manifests/v1'
const TODAY = [`Accept: ${DOCKER_MANIFEST}, ${OCI_MANIFEST}`]
const layer = gzipSync(blobOf(50_000).bytes)

const text = (value: unknown): Script => ({ status: 200, body: JSON.stringify(value), times: 1000 })
const many = (count: number) => Array.from({ length: count }, (_, i) => idOf(`ancestor ${i}`))

interface Hostile {
  readonly name: string
  readonly lie: (old: FakeV1, ids: readonly string[]) => void
  /** What the client is told. */
  readonly reason: RegExp
  /** Requests to the registry, until it is known to be of no use. */
  readonly most: number
  readonly status?: number
}

const images = '/v1/repositories/library/old/images'
const tag = '/v1/repositories/library/old/tags/v1'
const hostile: readonly Hostile[] = [
  {
    name: 'an ancestry that is a loop',
    lie: (old, [tip, parent]) => old.on(`/v1/images/${tip}/ancestry`, text([tip, parent, tip, parent])),
    reason: /its ancestry is a loop/,
    most: 3,
  },
  {
    name: '10,000 ancestors',
    lie: (old, [tip]) => old.on(`/v1/images/${tip}/ancestry`, text([tip, ...many(9_999)])),
    reason: /it has 10000 ancestors, of which 255 at most are read/,
    most: 3,
  },
  {
    name: 'a list of ancestors that is longer than any',
    lie: (old, [tip]) => old.on(`/v1/images/${tip}/ancestry`, text([tip, ...many(20_000)])),
    reason: /answer longer than 1048576 bytes/,
    most: 3,
  },
  {
    name: 'an ancestry that nests without end',
    lie: (old, [tip]) =>
      old.on(`/v1/images/${tip}/ancestry`, { status: 200, body: '['.repeat(1_000_000), times: 1000 }),
    reason: /its ancestry is no list of ids/,
    most: 3,
  },
  {
    name: 'the ancestry of another image',
    lie: (old, [tip, parent]) => old.on(`/v1/images/${tip}/ancestry`, text([parent, tip])),
    reason: /its ancestry does not begin with it/,
    most: 3,
  },
  {
    name: 'ancestors that are paths',
    lie: (old, [tip]) => old.on(`/v1/images/${tip}/ancestry`, text([tip, '../../../etc/passwd'])),
    reason: /its ancestry is no list of ids/,
    most: 3,
  },
  {
    name: 'a tag that is a path',
    lie: (old) => old.on(tag, text('../../v2/library/secret/manifests/latest')),
    reason: /tag v1 is no id of an image/,
    most: 2,
  },
  {
    name: 'a tag that is a page for people',
    lie: (old) => old.on(tag, { status: 200, body: `<html>${'x'.repeat(10_000)}`, times: 1000 }),
    reason: /answer longer than 1024 bytes/,
    most: 2,
  },
  {
    name: 'the JSON of another image',
    lie: (old, [tip]) => old.on(`/v1/images/${tip}/json`, text({ id: idOf('another') })),
    reason: /the JSON of [0-9a-f]{12} is that of another image/,
    most: 6,
  },
  {
    name: 'JSON that nests without end',
    lie: (old, [tip]) =>
      old.on(`/v1/images/${tip}/json`, {
        status: 200,
        body: `{"id":"${tip}","a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
        times: 1000,
      }),
    reason: /the JSON of [0-9a-f]{12} has/,
    most: 6,
  },
  {
    name: 'JSON without end',
    lie: (old, [tip]) =>
      old.on(`/v1/images/${tip}/json`, {
        status: 200,
        body: ' '.repeat(2_000_000),
        contentLength: 'chunked',
        times: 1000,
      }),
    reason: /answer longer than 262144 bytes/,
    most: 6,
  },
  {
    name: 'no JSON of an ancestor',
    lie: (old, [, parent]) => old.on(`/v1/images/${parent}/json`, { status: 404, times: 1000 }),
    reason: /the registry has no json of/,
    most: 6,
  },
  {
    name: 'no layer',
    lie: (old, [tip]) => old.on(`/v1/images/${tip}/layer`, { status: 404, times: 1000 }),
    reason: /the registry has no layer of it/,
    most: 8,
  },
  {
    name: 'a layer that says it has a terabyte',
    lie: (old, [tip]) => old.on(`/v1/images/${tip}/layer`, { contentLength: 2 ** 40, times: 1000 }),
    reason: /says that it has 1099511627776 bytes/,
    most: 8,
  },
  {
    name: 'a layer that is shorter than it says',
    lie: (old, [tip]) =>
      old.on(`/v1/images/${tip}/layer`, {
        body: layer.subarray(0, 1000),
        contentLength: layer.length,
        headers: { 'Accept-Ranges': undefined },
        atByte: { k: 1000, then: 'finish' },
        status: 200,
        times: 1000,
      }),
    reason: /UND_ERR|ECONNRESET|closed/,
    most: 30,
  },
  {
    name: 'a layer that stands still',
    lie: (old, [tip]) =>
      old.on(`/v1/images/${tip}/layer`, { atByte: { k: 1000, then: 'stall' }, times: 1000 }),
    reason: /UND_ERR_BODY_TIMEOUT/,
    most: 30,
    status: 504,
  },
  {
    name: 'the middle of a layer',
    lie: (old, [tip]) =>
      old.on(`/v1/images/${tip}/layer`, {
        status: 206,
        headers: { 'Content-Range': `bytes 5-${layer.length + 4}/${layer.length + 5}` },
        times: 1000,
      }),
    reason: /sends the middle of it/,
    most: 8,
  },
  {
    name: 'a layer that is no tar',
    lie: (old, [tip]) =>
      old.on(`/v1/images/${tip}/layer`, {
        status: 200,
        body: Buffer.from('1f8b0800ffffffffffff', 'hex'),
        times: 1000,
      }),
    reason: /the layer .* is damaged/,
    most: 8,
  },
  ...['user:password@127.0.0.1:1', 'host/../path', 'http://other', 'a b', '[::1', '127.0.0.1:99999'].map(
    (host) => ({
      name: `an endpoint that is called ${host}`,
      lie: (old: FakeV1) => void old.on(images, { headers: { 'X-Docker-Endpoints': host }, times: 1000 }),
      reason: /malformed X-Docker-Endpoints/,
      most: 2,
    }),
  ),
  {
    name: 'SEC-04: an endpoint that is a metadata service',
    lie: (old) => old.on(images, { headers: { 'X-Docker-Endpoints': '169.254.169.254' }, times: 1000 }),
    reason: /PRIVATE_ADDRESS/,
    most: 2,
  },
  {
    name: 'a token that is longer than any',
    lie: (old) => old.on(images, { headers: { 'X-Docker-Token': 'x'.repeat(5_000) }, times: 1000 }),
    reason: /malformed X-Docker-Token/,
    most: 2,
  },
]

async function withOld() {
  const stack = new AsyncDisposableStack()
  const today = stack.use(await fakeUpstream())
  const old = stack.use(await fakeV1())
  today.addManifest('library/app', 'v1', manifestOf([]), OCI_MANIFEST)
  const ids = old.addImage('library/old', 'v1', [{ blob: gzipSync('the first') }, { blob: layer }])
  const proxy = stack.use(
    await startProxy({
      upstream: today,
      config: {
        upstreams: {
          'docker.io': {
            endpoints: [today.url, { url: old.url, api: 'v1' }],
            schema1: 'convert',
            timeouts: { connect: '1s', headers: '5s', idle: '500ms' },
          },
        },
      },
    }),
  )
  return { today, old, ids, proxy, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

suite('a hostile registry of the first protocol', () => {
  for (const { name, lie, reason, most, status = 502 } of hostile) {
    test(name, async () => {
      await using it = await withOld()
      lie(it.old, it.ids)
      const answer = await call(it.proxy.port, 'GET', TAG, TODAY)
      assert.equal(answer.status, status, String(answer.body))
      assert.match(String(answer.body), reason)
      assert.doesNotMatch(String(answer.body), /password|etc.passwd/)
      const asked = it.old.requests.length
      assert.ok(asked <= most, `${asked} requests`)
      // What is wrong with an image is not found out anew by each client. What may pass is tried again.
      const again = status === 502 && most <= 8 ? 5 : 0
      for (let i = 0; i < again; i++)
        assert.notEqual((await call(it.proxy.port, 'GET', TAG, TODAY)).status, 200)
      assert.ok(it.old.requests.length <= asked + 5 * 2, 'it is asked again and again')
      assert.deepEqual(await it.proxy.openContent(), [])
      assert.equal((await call(it.proxy.port, 'GET', '/v2/library/app/manifests/v1', TODAY)).status, 200)
    })
  }

  test('SEC-04: an endpoint that is our own admin listener', async () => {
    await using it = await withOld()
    const { host } = new URL(it.proxy.adminUrl)
    it.old.on(images, { headers: { 'X-Docker-Endpoints': host }, times: 1000 })
    const { status, body } = await call(it.proxy.port, 'GET', TAG, TODAY)
    assert.equal(status, 502)
    assert.match(String(body), /PRIVATE_ADDRESS/)
  })

  test('names of repositories and tags never leave their place in a path', async () => {
    await using it = await withOld()
    for (const path of [
      '/v2/library/../old/manifests/v1',
      '/v2/library/old/manifests/..%2f..',
      '/v2/library/old/manifests/a%2fb',
    ])
      assert.ok((await call(it.proxy.port, 'GET', path, TODAY)).status >= 400)
    for (const { target } of it.old.requests) assert.doesNotMatch(target, /\.\.|%/)
  })
})
