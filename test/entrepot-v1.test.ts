/** An endpoint that speaks the registry protocol before v2: what is asked of it, and what clients get. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type Digest, digestOf } from '../src/oci/digest.ts'
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  DOCKER_SCHEMA1,
  DOCKER_SCHEMA1_SIGNED,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../src/oci/media-types.ts'
import type { Status } from '../src/ports/insight/insight.ts'
import { fakeUpstream } from './support/fake-upstream.ts'
import { type FakeV1, fakeV1, type FakeV1Options } from './support/fake-v1.ts'
import { blobOf, eventually, manifestOf } from './support/fixtures.ts'
import { startProxy } from './support/proxy.ts'
import { call } from './support/raw-client.ts'
import { runCommand } from './support/run-command.ts'
import { EMPTY_LAYER, type OldLayer } from './support/schema1.ts'
import { tempFolder } from './support/temp-folder.ts'

const TAG = '/v2/library/old/manifests/v1'
const BLOBS = '/v2/library/old/blobs'
/** As containerd 2.1 asks for a tag. */
const TODAY = [`Accept: ${[DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX, '*/*'].join(', ')}`]

const tars = [1, 2].map((seed) => blobOf(300_000 * seed, seed).bytes)
const [first, second] = tars.map((tar) => gzipSync(tar)) as [Buffer, Buffer]
const LAYERS: readonly OldLayer[] = [
  { blob: first },
  { blob: EMPTY_LAYER, json: { Size: 0 } },
  { blob: second, json: { config: { Env: ['a=b'] } } },
]

/** A registry of today, which does not know the image, and after it an old one, which has it. */
async function newAndOld(options: FakeV1Options & { readonly way?: object } = {}) {
  const stack = new AsyncDisposableStack()
  const today = stack.use(await fakeUpstream())
  const old = stack.use(await fakeV1(options))
  const ids = old.addImage('library/old', 'v1', LAYERS)
  const { path: folder } = stack.use(await tempFolder())
  const start = async (config: object = {}) =>
    startProxy({
      upstream: today,
      folder,
      config: {
        cache: { tags: [{ match: '.*', fresh: '0s' }], negative: '0s', lists: '0s' },
        upstreams: {
          'docker.io': {
            endpoints: [today.url, { url: old.url, api: 'v1', ...options.way }],
            schema1: 'convert',
            timeouts: { connect: '1s', headers: '5s', idle: '1s' },
          },
        },
        ...config,
      },
    })
  return { today, old, ids, folder, start, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

async function pulled(port: number) {
  const manifest = await call(port, 'GET', TAG, TODAY)
  assert.equal(manifest.status, 200, String(manifest.body))
  assert.equal(manifest.headers['content-type'], DOCKER_MANIFEST)
  const { config, layers } = JSON.parse(String(manifest.body)) as {
    config: { digest: Digest }
    layers: readonly { digest: Digest; size: number }[]
  }
  const blobs = await Promise.all(
    [config, ...layers].map(async ({ digest }) => {
      const { status, body } = await call(port, 'GET', `${BLOBS}/${digest}`)
      assert.deepEqual([status, digestOf(body)], [200, digest])
      return body
    }),
  )
  return { digest: manifest.headers['docker-content-digest'], config: JSON.parse(String(blobs[0])), layers }
}

const layerRequests = (old: FakeV1) => old.count('GET', /\/layer$/)

suite('an endpoint of the first protocol', () => {
  test('has what those before it do not know, and clients get it in schema 2', async () => {
    await using both = await newAndOld()
    await using proxy = await both.start()
    const head = await call(proxy.port, 'HEAD', TAG, TODAY)
    const { digest, config, layers } = await pulled(proxy.port)
    assert.equal(head.headers['docker-content-digest'], digest)
    assert.deepEqual(
      layers.map((layer) => layer.digest),
      [digestOf(first), digestOf(second)],
    )
    assert.deepEqual(
      config.rootfs.diff_ids,
      tars.map((tar) => digestOf(tar)),
    )
    assert.deepEqual(config.config, { Env: ['a=b'] })
    assert.deepEqual(
      config.history.map(({ created_by: by }: { created_by: string }) => by),
      ['/bin/sh -c step 0', '/bin/sh -c step 1', '/bin/sh -c step 2'],
    )
    // Each layer was sent once, although nobody knew its digest.
    assert.equal(layerRequests(both.old), LAYERS.length)
    const tags = await call(proxy.port, 'GET', '/v2/library/old/tags/list')
    assert.deepEqual(JSON.parse(String(tags.body)), { name: 'library/old', tags: ['v1'] })
  })

  test('tells of the layers that are fetched from it among the running downloads, by the ids of their images', async () => {
    await using both = await newAndOld({ bytesPerSecond: 200_000 })
    await using proxy = await both.start()
    const transfers = async () => {
      const status = (await (await fetch(`${proxy.adminUrl}/api/v1/upstreams`)).json()) as Status
      return status.transfers
    }
    const pulling = pulled(proxy.port)
    let seen: Status['transfers'] = []
    await eventually(async () => {
      seen = (await transfers()).filter(({ filled }) => filled > 0)
      return seen.length > 0
    })
    const names = new Set(both.ids.map((id) => `image ${id}`))
    for (const { upstream, digest, filled, size, followers } of seen) {
      assert.equal(upstream, 'docker.io')
      assert.ok(names.has(digest), digest)
      assert.ok(size === undefined || filled <= size)
      assert.equal(followers, 1)
    }
    const shown = await (await fetch(`${proxy.adminUrl}/api/v1/transfers`)).json()
    assert.ok((shown as { transfers: unknown[] }).transfers.length > 0)
    await pulling
    await eventually(async () => (await transfers()).length === 0)
  })

  test('is not asked for what an endpoint before it knows', async () => {
    await using both = await newAndOld()
    both.today.addManifest('library/old', 'v1', manifestOf([]), OCI_MANIFEST)
    await using proxy = await both.start()
    assert.equal((await call(proxy.port, 'GET', TAG, TODAY)).headers['content-type'], OCI_MANIFEST)
    assert.equal(both.old.requests.length, 0)
  })

  for (const status of [401, 403, 404, 429, 500]) {
    test(`is asked when the one before it says ${status}, and owns what it has answered then`, async () => {
      await using both = await newAndOld()
      both.today.addManifest('library/old', 'v1', manifestOf([]), OCI_MANIFEST)
      both.today.on(/./, { status, times: 1000 })
      await using proxy = await both.start()
      const { digest } = await pulled(proxy.port)
      both.today.forgetScripts()
      assert.equal((await pulled(proxy.port)).digest, digest)
    })
  }

  test('is asked by the old protocol: first its index, and with the token that this gives', async () => {
    await using both = await newAndOld()
    await using proxy = await both.start()
    await pulled(proxy.port)
    const [index, tag, ...images] = both.old.requests
    assert.equal(index!.path, '/v1/repositories/library/old/images')
    assert.equal(index!.headers['x-docker-token'], 'true')
    assert.equal(tag!.path, '/v1/repositories/library/old/tags/v1')
    for (const { headers } of [tag!, ...images])
      assert.equal(headers['authorization'], `Token ${both.old.token}`)
    const asked = images.map(({ path }) => path)
    assert.equal(asked[0], `/v1/images/${both.ids[0]}/ancestry`)
    for (const id of both.ids)
      for (const what of ['json', 'layer']) assert.ok(asked.includes(`/v1/images/${id}/${what}`))
  })

  test('whoever takes schema 1 gets the image as it is, unsigned', async () => {
    await using both = await newAndOld()
    await using proxy = await both.start()
    const { status, headers, body } = await call(proxy.port, 'GET', TAG, [`Accept: ${DOCKER_SCHEMA1}`])
    assert.deepEqual([status, headers['content-type']], [200, DOCKER_SCHEMA1])
    const { fsLayers, history } = JSON.parse(String(body)) as {
      fsLayers: { blobSum: string }[]
      history: { v1Compatibility: string }[]
    }
    assert.deepEqual(
      fsLayers.map(({ blobSum }) => blobSum),
      [second, EMPTY_LAYER, first].map((blob) => digestOf(blob)),
    )
    assert.deepEqual(
      history.map(({ v1Compatibility }) => JSON.parse(v1Compatibility).id),
      both.ids,
    )
  })

  test('whoever takes schema 1 if it is signed, as Docker 20.10, gets schema 2', async () => {
    await using both = await newAndOld()
    await using proxy = await both.start()
    const accept = [`Accept: ${[DOCKER_MANIFEST, DOCKER_SCHEMA1_SIGNED].join(', ')}`]
    const { status, headers } = await call(proxy.port, 'GET', TAG, accept)
    assert.deepEqual([status, headers['content-type']], [200, DOCKER_MANIFEST])
  })

  test('a new token is asked for when one has expired', async () => {
    await using both = await newAndOld()
    await using proxy = await both.start()
    await pulled(proxy.port)
    both.old.token = 'another'
    await pulled(proxy.port)
    assert.equal(both.old.count('GET', '/v1/repositories/library/old/images'), 2)
  })

  test('to see whether a tag has moved costs one request, also after a restart', async () => {
    await using both = await newAndOld()
    let digest: string | undefined
    {
      await using proxy = await both.start()
      digest = (await pulled(proxy.port)).digest
      const before = both.old.requests.length
      assert.equal((await pulled(proxy.port)).digest, digest)
      assert.deepEqual(
        both.old.requests.slice(before).map(({ path }) => path),
        ['/v1/repositories/library/old/tags/v1'],
      )
    }
    await using proxy = await both.start()
    const before = layerRequests(both.old)
    assert.equal((await pulled(proxy.port)).digest, digest)
    const moved = [...LAYERS, { blob: gzipSync(blobOf(1000, 9).bytes) }]
    both.old.addImage('library/old', 'v1', moved)
    assert.notEqual((await pulled(proxy.port)).digest, digest)
    assert.equal(layerRequests(both.old), before + 1)
  })

  test('what was purged is fetched again by its digest', async () => {
    await using both = await newAndOld()
    await using proxy = await both.start()
    const { digest } = await pulled(proxy.port)
    assert.equal((await runCommand(['purge', 'old', '--server', proxy.adminUrl])).code, 0)
    const before = layerRequests(both.old)
    assert.equal((await pulled(proxy.port)).digest, digest)
    assert.ok(layerRequests(both.old) > before)
  })

  test('what was purged may be another layer by now, under the same id', async () => {
    await using both = await newAndOld()
    await using proxy = await both.start()
    const { digest } = await pulled(proxy.port)
    assert.equal((await runCommand(['purge', 'old', '--server', proxy.adminUrl])).code, 0)
    const another = gzipSync(blobOf(100_000, 7).bytes)
    both.old.on(`/v1/images/${both.ids[0]}/layer`, { status: 200, body: another, times: 1000 })
    const healed = await pulled(proxy.port)
    assert.notEqual(healed.digest, digest)
    assert.equal(healed.layers.at(-1)!.digest, digestOf(another))
    assert.equal((await pulled(proxy.port)).digest, healed.digest)
  })

  test('another repository of the same registry has to be sent its layers', async () => {
    await using both = await newAndOld()
    both.old.addImage('library/other', 'v1', LAYERS)
    await using proxy = await both.start()
    await pulled(proxy.port)
    const blob = `/v2/library/other/blobs/${digestOf(first)}`
    assert.equal((await call(proxy.port, 'GET', blob)).status, 404)
    assert.equal((await call(proxy.port, 'GET', '/v2/library/other/manifests/v1', TODAY)).status, 200)
    assert.equal((await call(proxy.port, 'GET', blob)).status, 200)
    assert.equal(layerRequests(both.old), 2 * LAYERS.length)
  })

  for (const ranges of [true, false]) {
    test(`a layer that breaks off is ${ranges ? 'continued' : 'begun again where ranges are not honoured'}`, async () => {
      await using both = await newAndOld({ ranges })
      const path = `/v1/images/${both.ids[0]}/layer`
      both.old.on(path, { atByte: { k: 200_000, then: 'reset' } })
      await using proxy = await both.start()
      await pulled(proxy.port)
      const ranged = both.old.find('GET', path).map(({ headers }) => headers['range'])
      assert.equal(ranged[0], undefined)
      assert.match(ranged[1]!, /^bytes=[1-9]\d*-$/)
      assert.equal(ranged.length, ranges ? 2 : 3)
    })
  }

  test('a layer that was on its way when the process ended is continued by the next', async () => {
    await using both = await newAndOld()
    const path = `/v1/images/${both.ids[0]}/layer`
    both.old.on(path, { atByte: { k: 200_000, then: 'stall' } })
    {
      await using proxy = await both.start()
      const waiting = call(proxy.port, 'HEAD', TAG, TODAY).catch(() => undefined)
      await eventually(() => both.old.bodyBytes(path) >= 200_000, 20_000)
      await proxy.stop()
      await waiting
    }
    await using proxy = await both.start()
    await pulled(proxy.port)
    const [, ...later] = both.old.find('GET', path)
    assert.ok(later.some(({ headers }) => /^bytes=[1-9]\d*-$/.test(headers['range'] ?? '')))
  })

  for (const everywhere of [false, true]) {
    test(`a login is shown ${everywhere ? 'to a registry that wants it everywhere' : 'to the index alone'}`, async () => {
      const basic = Buffer.from('ci:of-the-old').toString('base64')
      await using images = await fakeV1()
      images.addImage('library/old', 'v1', LAYERS)
      await using both = await newAndOld({
        login: { basic, everywhere },
        ...(!everywhere && { endpoints: () => images.authority }),
        way: { username: 'ci', password: 'of-the-old' },
      })
      await using proxy = await both.start()
      await pulled(proxy.port)
      assert.equal(images.requests.length === 0, everywhere)
      for (const { headers } of [...images.requests, ...both.today.requests])
        assert.notEqual(headers['authorization'], `Basic ${basic}`)
      const { stdout } = await runCommand(['status', '--server', proxy.adminUrl])
      assert.match(stdout, new RegExp(`^docker\\.io \\(${both.old.url}\\) .* accepted `, 'm'))
    })
  }

  test('an index that wants the login, and tokens for the rest, has both', async () => {
    const basic = Buffer.from('ci:of-the-old').toString('base64')
    await using both = await newAndOld({
      login: { basic },
      way: { username: 'ci', password: 'of-the-old' },
    })
    await using proxy = await both.start()
    await pulled(proxy.port)
  })

  test('SEC-03: images are at the endpoints that the index names, and the token is for them alone', async () => {
    await using stack = new AsyncDisposableStack()
    const images = stack.use(await fakeV1())
    const elsewhere = stack.use(await fakeV1())
    const dead = stack.use(await fakeV1())
    await dead.stop()
    await using both = await newAndOld({ endpoints: () => `${dead.authority}, ${images.authority}` })
    images.addImage('library/old', 'v1', LAYERS)
    // As a registry whose layers are in a bucket.
    for (const id of both.ids) {
      const bucket = `/bucket/${id}`
      images.on(`/v1/images/${id}/layer`, { status: 302, headers: { Location: `${elsewhere.url}${bucket}` } })
      elsewhere.on(bucket, { status: 200, body: LAYERS[2 - both.ids.indexOf(id)]!.blob as Buffer })
    }
    await using proxy = await both.start()
    await pulled(proxy.port)
    assert.ok(images.requests.every(({ headers }) => headers['authorization'] === `Token ${images.token}`))
    assert.equal(elsewhere.requests.length, LAYERS.length)
    assert.ok(elsewhere.requests.every(({ headers }) => headers['authorization'] === undefined))
    assert.deepEqual(
      [...new Set(both.old.requests.map(({ path }) => path))],
      ['/v1/repositories/library/old/images'],
    )
  })
})
