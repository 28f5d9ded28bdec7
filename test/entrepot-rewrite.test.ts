/** Namespaces that have moved or vanished: which name is asked, and what counts for the name of the client. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf } from '../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../src/oci/media-types.ts'
import { runEntrepot } from './support/child.ts'
import { fakeUpstream, type Script } from './support/fake-upstream.ts'
import { blobOf, descriptorOf, indexOf, manifestOf } from './support/fixtures.ts'
import { startProxy } from './support/proxy.ts'
import { call } from './support/raw-client.ts'

const OLD = '/v2/bitnami/redis'
const [layerOfOld, layerOfNew] = [blobOf(100, 1).bytes, blobOf(300_000, 2).bytes]
const [ofOld, ofNew] = [manifestOf([layerOfOld]), manifestOf([layerOfNew])]
const always = { tags: [{ match: '.*', fresh: '0s' }], negative: '0s', lists: '0s' }
const RESCUE = { from: 'bitnami/**', to: 'bitnamilegacy/**' }

/** bitnami/redis has the tags `latest` and `both`, bitnamilegacy/redis has `7.2.4` and `both`. */
async function moved(
  rules: readonly object[] = [RESCUE],
  config: Record<string, unknown> = {},
  more: Record<string, unknown> = {},
) {
  const upstream = await fakeUpstream({ referrers: true })
  upstream.addBlob(layerOfNew)
  for (const tag of ['latest', 'both']) upstream.addManifest('bitnami/redis', tag, ofOld, OCI_MANIFEST)
  for (const tag of ['7.2.4', 'both']) upstream.addManifest('bitnamilegacy/redis', tag, ofNew, OCI_MANIFEST)
  const proxy = await startProxy({
    upstream,
    upstreamConfig: { rewrite: rules, ...more },
    config: { cache: always, ...config },
  })
  return {
    upstream,
    proxy,
    get: (path: string) => call(proxy.port, 'GET', path),
    /** Everything below this repository is answered so. */
    all: (repository: string, script: Script) =>
      upstream.on(new RegExp(`^/v2/${repository}/`), { ...script, times: 1000 }),
    asked: (repository: string) =>
      upstream.requests.filter(({ path }) => path.startsWith(`/v2/${repository}/`)).length,
    async [Symbol.asyncDispose]() {
      await proxy.stop()
      await upstream.stop()
    },
  }
}

suite('a second name where the first one is unknown', () => {
  test('a tag that is gone comes from there, with all that belongs to it', async () => {
    await using it = await moved()
    const { status, headers, body } = await it.get(`${OLD}/manifests/7.2.4`)
    assert.deepEqual([status, body], [200, ofNew])
    assert.equal(headers['docker-content-digest'], digestOf(ofNew))
    it.all('bitnami/redis', { status: 404 })
    const layer = await it.get(`${OLD}/blobs/${digestOf(layerOfNew)}`)
    assert.deepEqual([layer.status, digestOf(layer.body)], [200, digestOf(layerOfNew)])
  })

  test('a tag that the first name has is its own', async () => {
    await using it = await moved()
    assert.deepEqual((await it.get(`${OLD}/manifests/both`)).body, ofOld)
    assert.equal(it.asked('bitnamilegacy/redis'), 0)
  })

  for (const [said, script] of [
    ['unknown', { status: 404 }],
    ['denied', { status: 401 }],
    ['denied', { status: 403 }],
  ] as const) {
    test(`a namespace that becomes ${said} with ${script.status} is rescued`, async () => {
      await using it = await moved()
      assert.deepEqual((await it.get(`${OLD}/manifests/both`)).body, ofOld)
      it.all('bitnami/redis', script)
      assert.deepEqual((await it.get(`${OLD}/manifests/both`)).body, ofNew)
      assert.deepEqual(JSON.parse(String((await it.get(`${OLD}/tags/list`)).body)), {
        name: 'bitnami/redis',
        tags: ['7.2.4', 'both'],
      })
      const referrers = await it.get(`${OLD}/referrers/${digestOf(ofNew)}`)
      assert.deepEqual([referrers.status, JSON.parse(String(referrers.body)).manifests], [200, []])
    })
  }

  for (const [out, script, status] of [
    ['an error', { status: 500 }, 502],
    ['a rate limit', { status: 429, headers: { 'Retry-After': '60' } }, 503],
  ] as const) {
    test(`${out} at the first name is no reason to serve another tag`, async () => {
      await using it = await moved()
      it.all('bitnami/redis', script)
      assert.equal((await it.get(`${OLD}/manifests/both`)).status, status)
      assert.equal(it.asked('bitnamilegacy/redis'), 0)
    })
  }

  test('an error at the second name is no reason to say that a tag does not exist', async () => {
    await using it = await moved()
    it.all('bitnamilegacy/redis', { status: 500 })
    assert.equal((await it.get(`${OLD}/manifests/7.2.4`)).status, 502)
    assert.equal((await it.get(`${OLD}/manifests/latest`)).status, 200)
  })

  test('what neither has does not exist, and neither does what no rule matches', async () => {
    await using it = await moved()
    assert.equal((await it.get(`${OLD}/manifests/absent`)).status, 404)
    const asked = it.asked('bitnamilegacy/redis')
    assert.ok(asked > 0)
    assert.equal((await it.get('/v2/bitnamisomething/redis/manifests/7.2.4')).status, 404)
    assert.equal(it.asked('bitnamilegacy/redis'), asked)
  })

  test('a digest comes from wherever it is found, and layers are asked for there first', async () => {
    await using it = await moved()
    const { status, body } = await it.get(`${OLD}/manifests/${digestOf(ofNew)}`)
    assert.deepEqual([status, body], [200, ofNew])
    const before = it.asked('bitnami/redis')
    assert.equal((await it.get(`${OLD}/blobs/${digestOf(layerOfNew)}`)).status, 200)
    assert.equal(it.asked('bitnami/redis'), before)
    assert.deepEqual((await it.get(`${OLD}/manifests/${digestOf(ofOld)}`)).body, ofOld)
  })

  test('a layer that breaks off at the second name goes on there', async () => {
    await using it = await moved()
    assert.equal((await it.get(`${OLD}/manifests/7.2.4`)).status, 200)
    it.upstream.on(/blobs/, { atByte: { k: 100_000, then: 'reset' } })
    const { status, body } = await it.get(`${OLD}/blobs/${digestOf(layerOfNew)}`)
    assert.deepEqual([status, digestOf(body)], [200, digestOf(layerOfNew)])
  })

  test('referrers are those of the name that has some', async () => {
    await using it = await moved()
    const signature = manifestOf([], { subject: descriptorOf(ofNew, OCI_MANIFEST) })
    it.upstream.addManifest('bitnamilegacy/redis', undefined, signature, OCI_MANIFEST)
    const { status, body } = await it.get(`${OLD}/referrers/${digestOf(ofNew)}`)
    assert.equal(status, 200)
    assert.deepEqual(
      JSON.parse(String(body)).manifests.map(({ digest }: { digest: string }) => digest),
      [digestOf(signature)],
    )
  })
})

suite('a second name instead of the first', () => {
  const INSTEAD = { ...RESCUE, always: true }

  test('tags and their list come from there only', async () => {
    await using it = await moved([INSTEAD])
    assert.deepEqual((await it.get(`${OLD}/manifests/both`)).body, ofNew)
    assert.equal((await it.get(`${OLD}/manifests/latest`)).status, 404)
    assert.deepEqual(JSON.parse(String((await it.get(`${OLD}/tags/list`)).body)).tags, ['7.2.4', 'both'])
    assert.equal(it.asked('bitnami/redis'), 0)
  })

  test('a digest comes from wherever it is found', async () => {
    await using it = await moved([INSTEAD])
    assert.deepEqual((await it.get(`${OLD}/manifests/${digestOf(ofOld)}`)).body, ofOld)
  })
})

suite('what is learnt counts for the name that was asked for', () => {
  test('the store has it under that name, also when the upstream is gone', async () => {
    await using it = await moved()
    assert.equal((await it.get(`${OLD}/manifests/7.2.4`)).status, 200)
    assert.equal((await it.get(`${OLD}/blobs/${digestOf(layerOfNew)}`)).status, 200)
    await it.upstream.stop()
    const stale = await it.get(`${OLD}/manifests/7.2.4`)
    assert.deepEqual([stale.status, stale.body], [200, ofNew])
    assert.match(stale.headers['cache-status']!, /stale-if-error/)
    assert.equal((await it.get(`${OLD}/blobs/${digestOf(layerOfNew)}`)).status, 200)
    assert.equal((await it.get('/v2/bitnamilegacy/redis/manifests/7.2.4')).status, 502)
    const stored = await call(Number(new URL(it.proxy.adminUrl).port), 'GET', '/api/v1/images')
    assert.equal(stored.status, 200, String(stored.body))
    assert.doesNotMatch(String(stored.body), /bitnamilegacy/)
    assert.match(String(stored.body), /bitnami\/redis/)
  })

  test('the right to read is proved by each name', async () => {
    await using it = await moved()
    assert.equal((await it.get(`${OLD}/manifests/7.2.4`)).status, 200)
    it.all('bitnamilegacy/redis', { status: 404 })
    const { status } = await it.get(`/v2/bitnamilegacy/redis/manifests/${digestOf(ofNew)}`)
    assert.equal(status, 404)
  })

  test('access is about it', async () => {
    await using it = await moved([RESCUE, { from: 'free/*', to: 'bitnamilegacy/*' }], {
      access: { rules: [{ repositories: ['docker.io/bitnami/**'] }] },
    })
    assert.equal((await it.get(`${OLD}/manifests/7.2.4`)).status, 200)
    assert.notEqual((await it.get('/v2/bitnamilegacy/redis/manifests/7.2.4')).status, 200)
    assert.notEqual((await it.get('/v2/free/redis/manifests/7.2.4')).status, 200)
  })

  test('deny is about it', async () => {
    await using it = await moved([RESCUE], {}, { deny: ['bitnamilegacy/**'] })
    assert.equal((await it.get(`${OLD}/manifests/7.2.4`)).status, 200)
    const asked = it.asked('bitnamilegacy/redis')
    assert.equal((await it.get('/v2/bitnamilegacy/redis/manifests/7.2.4')).status, 403)
    assert.equal(it.asked('bitnamilegacy/redis'), asked)
  })

  test('why tells the second name', async () => {
    await using it = await moved([RESCUE, { from: 'old/app', to: 'new/app', always: true }])
    for (const [image, line] of [
      [
        'bitnami/redis:7.2.4',
        'asked as bitnamilegacy/redis for what is unknown or denied (upstreams.docker.io.rewrite)',
      ],
      ['old/app:1', 'asked as new/app instead (upstreams.docker.io.rewrite)'],
    ] as const) {
      const { stdout } = await runEntrepot('why', image, '--server', it.proxy.adminUrl)
      assert.ok(stdout.includes(line), stdout)
      const page = await call(Number(new URL(it.proxy.adminUrl).port), 'GET', `/image?image=${image}`)
      assert.match(String(page.body), new RegExp(/asked as (\S+ \w+)/.exec(line)![1]!))
    }
    const { stdout } = await runEntrepot('why', 'other/app:1', '--server', it.proxy.adminUrl)
    assert.match(stdout, /repository other\/app/)
    assert.doesNotMatch(stdout, /asked as/)
  })

  test('platforms of an index come from there too', async () => {
    await using it = await moved()
    const index = indexOf([descriptorOf(ofNew, OCI_MANIFEST)])
    it.upstream.addManifest('bitnamilegacy/redis', 'multi', index, OCI_INDEX)
    assert.deepEqual((await it.get(`${OLD}/manifests/multi`)).body, index)
    assert.deepEqual((await it.get(`${OLD}/manifests/${digestOf(ofNew)}`)).body, ofNew)
  })
})
