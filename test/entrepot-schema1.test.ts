/** Images of schema 1: what clients get that take it, and what others do. */
import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
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
import { runEntrepot } from './support/child.ts'
import { fakeUpstream, type FakeUpstream } from './support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from './support/fixtures.ts'
import { type Proxy, type ProxyOptions, startProxy } from './support/proxy.ts'
import { call, type RawResponse } from './support/raw-client.ts'
import { EMPTY_LAYER, type OldLayer, schema1Payload, signed } from './support/schema1.ts'
import { startService } from './support/service.ts'
import { tempFolder } from './support/temp-folder.ts'

const MANIFESTS = '/v2/library/old/manifests'
const BLOBS = '/v2/library/old/blobs'
/** As containerd 2.1 asks for a tag. */
const TODAY = [`Accept: ${[DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX, '*/*'].join(', ')}`]
/** As skopeo asks. */
const BOTH = [`Accept: ${[OCI_MANIFEST, DOCKER_MANIFEST, DOCKER_SCHEMA1_SIGNED, DOCKER_SCHEMA1].join(', ')}`]
const CONVERT = { schema1: 'convert' }

const tars = [1, 2, 3].map((seed) => blobOf(100_000 * seed, seed).bytes)
const [first, second] = tars.map((tar) => gzipSync(tar)) as [Buffer, Buffer]
const plain = tars[2]!
/** Layers in gzip, plain, twice, and without files, by their JSON and by their bytes. */
const LAYERS: readonly OldLayer[] = [
  { blob: first },
  { blob: EMPTY_LAYER, json: { throwaway: true } },
  { blob: second },
  { blob: first },
  { blob: EMPTY_LAYER },
  { blob: plain, json: { config: { Env: ['a=b'] } } },
]
const DIFF_IDS = [tars[0]!, tars[1]!, tars[0]!, plain].map((tar) => digestOf(tar))

interface OldImage {
  readonly body: Buffer
  readonly digest: Digest
}

function addOld(
  upstream: FakeUpstream,
  layers = LAYERS,
  { isSigned = true, repository = 'library/old' } = {},
): OldImage {
  for (const { blob } of layers) if (typeof blob !== 'string') upstream.addBlob(blob)
  const payload = schema1Payload(layers)
  const body = isSigned ? signed(payload) : payload
  const type = isSigned ? DOCKER_SCHEMA1_SIGNED : DOCKER_SCHEMA1
  const digest = digestOf(payload)
  upstream.content.addManifest(repository, 'v1', body, type, digest)
  return { body, digest }
}

/** What needs a restart, and what needs two proxies, give a folder. */
async function withOld(
  options: Partial<ProxyOptions> & {
    readonly layers?: readonly OldLayer[]
    readonly isSigned?: boolean
  } = {},
) {
  const upstream = await fakeUpstream()
  const { layers = LAYERS, isSigned = true, ...rest } = options
  const old = addOld(upstream, layers, { isSigned })
  const proxy = await startProxy({ upstream, upstreamConfig: CONVERT, ...rest })
  return {
    upstream,
    proxy,
    old,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]()
      await upstream.stop()
    },
  }
}

const ask = ({ port }: Proxy, path: string, headers = TODAY, method = 'GET') =>
  call(port, method, path, headers)

function errorIn({ body }: RawResponse): { code: string; message: string; detail: Record<string, unknown> } {
  return JSON.parse(String(body)).errors[0]
}

async function pulled(proxy: Proxy, reference = 'v1') {
  const manifest = await ask(proxy, `${MANIFESTS}/${reference}`)
  assert.equal(manifest.status, 200, String(manifest.body))
  const { config, layers } = JSON.parse(String(manifest.body)) as {
    config: { digest: Digest; size: number }
    layers: readonly { digest: Digest; size: number; mediaType: string }[]
  }
  const blobs = await Promise.all(
    [config, ...layers].map(async ({ digest, size }) => {
      const { status, body } = await ask(proxy, `${BLOBS}/${digest}`)
      assert.deepEqual([status, digestOf(body), body.length], [200, digest, size])
      return body
    }),
  )
  return { manifest, config: JSON.parse(String(blobs[0])), layers }
}

suite('by tag, for a client that does not take schema 1, with `schema1: convert`', () => {
  for (const isSigned of [true, false]) {
    test(`${isSigned ? 'a signed' : 'an unsigned'} image is one of schema 2`, async () => {
      await using it = await withOld({ isSigned })
      const head = await ask(it.proxy, `${MANIFESTS}/v1`, TODAY, 'HEAD')
      const { manifest, config, layers } = await pulled(it.proxy)
      assert.equal(manifest.headers['content-type'], DOCKER_MANIFEST)
      assert.equal(manifest.headers['docker-content-digest'], digestOf(manifest.body))
      assert.equal(manifest.headers['etag'], `"${digestOf(manifest.body)}"`)
      assert.equal(manifest.headers['vary'], 'Accept, User-Agent')
      for (const name of ['content-type', 'content-length', 'docker-content-digest', 'etag', 'vary'])
        assert.equal(head.headers[name], manifest.headers[name], name)
      assert.deepEqual(
        layers.map(({ digest }) => digest),
        [first, second, first, plain].map((blob) => digestOf(blob)),
      )
      assert.deepEqual(config.rootfs, { type: 'layers', diff_ids: DIFF_IDS })
      assert.deepEqual(config.config, { Env: ['a=b'] })
      const byDigest = await ask(it.proxy, `${MANIFESTS}/${digestOf(manifest.body)}`)
      assert.deepEqual([byDigest.status, byDigest.body], [200, manifest.body])
      assert.equal(byDigest.headers['content-type'], DOCKER_MANIFEST)
      const again = await ask(it.proxy, `${MANIFESTS}/v1`, [
        ...TODAY,
        `If-None-Match: ${manifest.headers['etag']}`,
      ])
      assert.equal(again.status, 304)
    })
  }

  test('each layer is downloaded once, however many ask, and those without files not at all', async () => {
    await using it = await withOld()
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(it.proxy, `${MANIFESTS}/v1`)))
    assert.equal(new Set(answers.map(({ status, body }) => `${status} ${digestOf(body)}`)).size, 1)
    await pulled(it.proxy)
    for (const blob of [first, second, plain])
      assert.equal(it.upstream.count('GET', new RegExp(`/blobs/${digestOf(blob)}`)), 1)
    assert.equal(it.proxy.log.filter(({ msg }) => msg === 'converted an image of schema 1').length, 1)
  })

  test('it is the same after a restart, and while the upstream is down', async () => {
    await using it = await withOld({ config: { cache: { tags: [{ match: '.*', fresh: '0s' }] } } })
    const before = await pulled(it.proxy)
    await it.proxy.stop()
    await it.upstream.stop()
    await using again = await startProxy({
      upstream: it.upstream,
      upstreamConfig: CONVERT,
      folder: it.proxy.folder,
    })
    const after = await pulled(again)
    assert.deepEqual(after.manifest.body, before.manifest.body)
    // Whoever takes schema 1 gets what is left of it.
    const untouched = await ask(again, `${MANIFESTS}/v1`, BOTH)
    assert.equal(untouched.status, 200)
    assert.equal(untouched.headers['content-type'], DOCKER_SCHEMA1)
    assert.equal(untouched.headers['docker-content-digest'], it.old.digest)
    assert.equal(digestOf(untouched.body), it.old.digest)
  })

  test('it is the same after the index was lost', async () => {
    await using it = await withOld()
    const before = await pulled(it.proxy)
    await it.proxy.stop()
    const data = join(it.proxy.folder, 'data')
    for (const file of await readdir(data)) if (file.startsWith('index.')) await rm(join(data, file))
    await using again = await startProxy({
      upstream: it.upstream,
      upstreamConfig: CONVERT,
      folder: it.proxy.folder,
    })
    assert.deepEqual((await pulled(again)).manifest.body, before.manifest.body)
  })

  test('it is the same bytes in another process, of another time zone, locale and temporary folder', async () => {
    await using it = await withOld()
    const { manifest } = await pulled(it.proxy)
    const env = { TZ: 'Pacific/Chatham', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8', TMPDIR: it.proxy.folder }
    await using folder = await tempFolder()
    const upstreams = { 'docker.io': { url: it.upstream.url, ...CONVERT } }
    await using other = await startService({ folder: folder.path, config: { upstreams }, env })
    const { body } = await call(other.port, 'GET', `${MANIFESTS}/v1`, TODAY)
    assert.deepEqual(body, manifest.body)
  })

  test('it is converted in a view of the past, and refused by the rules as the image is', async () => {
    await using it = await withOld({
      config: { views: { asOf: true } },
      upstreamConfig: { ...CONVERT, deny: ['library/secret'] },
    })
    addOld(it.upstream, LAYERS, { repository: 'library/secret' })
    const { manifest } = await pulled(it.proxy)
    // Instants are whole seconds.
    await eventually(async () => {
      const past = await ask(it.proxy, `/v2/asof/${instantOfNow()}/library/old/manifests/v1`)
      return past.status === 200 && past.body.equals(manifest.body)
    })
    for (const reference of ['v1', digestOf(manifest.body)])
      assert.equal((await ask(it.proxy, `/v2/library/secret/manifests/${reference}`)).status, 403)
    const byOther = await ask(it.proxy, `/v2/library/other/manifests/${digestOf(manifest.body)}`)
    assert.equal(byOther.status, 404)
  })

  test('it goes with what it was made of, however much it is used itself', async () => {
    const cache = { ttl: '2s', sweep: '* * * * * *' }
    await using it = await withOld({ config: { cache } })
    const { manifest } = await pulled(it.proxy)
    const digest = digestOf(manifest.body)
    // Only the manifest of schema 2 is used from here on.
    await eventually(async () => (await ask(it.proxy, `${MANIFESTS}/${digest}`)).status === 404, 30_000)
    assert.deepEqual((await pulled(it.proxy)).manifest.body, manifest.body)
  })

  test('warm converts it too, so that the upstream may be down when it is pulled', async () => {
    await using it = await withOld()
    const { code, stdout, stderr } = await runEntrepot(
      'warm',
      'library/old:v1',
      '--server',
      it.proxy.adminUrl,
    )
    assert.equal(code, 0, stdout + stderr)
    await it.upstream.stop()
    await pulled(it.proxy)
  })

  test('another repository shows its right to the layers', async () => {
    await using it = await withOld()
    await pulled(it.proxy)
    addOld(it.upstream, LAYERS, { repository: 'library/other' })
    const path = '/v2/library/other/manifests/v1'
    it.upstream.on(/\/v2\/library\/other\/blobs\//, { status: 404, times: 100 })
    const refused = await ask(it.proxy, path)
    assert.equal(refused.status, 404)
    assert.match(errorIn(refused).message, /whose layer sha256:\w+ does not exist/)
    addOld(it.upstream, LAYERS, { repository: 'library/third' })
    const { status, body } = await ask(it.proxy, '/v2/library/third/manifests/v1')
    assert.equal(status, 200)
    assert.deepEqual(body, (await ask(it.proxy, `${MANIFESTS}/v1`)).body)
    const blobs = it.upstream.requests.filter(
      ({ method, path }) => method === 'GET' && path.includes('/third/blobs/'),
    )
    assert.deepEqual(blobs, [], 'a HEAD of each is enough')
  })
})

suite('who takes schema 1 gets it as it is', () => {
  for (const [who, headers] of [
    ['who names it', BOTH],
    ['who sends no Accept', []],
    ['who takes anything', ['Accept: */*']],
    ['who takes any JSON', ['Accept: application/json']],
  ] as const) {
    for (const upstreamConfig of [CONVERT, {}]) {
      test(`${who}, ${'schema1' in upstreamConfig ? 'beside converted ones' : 'without the option'}`, async () => {
        await using it = await withOld({ upstreamConfig })
        if ('schema1' in upstreamConfig) await pulled(it.proxy)
        for (const reference of ['v1', it.old.digest]) {
          const {
            status,
            headers: got,
            body,
          } = await ask(it.proxy, `${MANIFESTS}/${reference}`, [...headers])
          assert.deepEqual([status, body], [200, it.old.body])
          assert.equal(got['content-type'], DOCKER_SCHEMA1_SIGNED)
          assert.equal(got['docker-content-digest'], it.old.digest)
        }
      })
    }
  }

  test('who asks by its digest, whatever it takes', async () => {
    await using it = await withOld()
    await pulled(it.proxy)
    const { status, headers, body } = await ask(it.proxy, `${MANIFESTS}/${it.old.digest}`)
    assert.deepEqual([status, body], [200, it.old.body])
    assert.equal(headers['vary'], undefined)
  })

  test('an answer for an image of today varies with nothing', async () => {
    await using upstream = await fakeUpstream()
    upstream.addBlob(first)
    upstream.addManifest('library/new', 'v1', manifestOf([first]), OCI_MANIFEST)
    await using proxy = await startProxy({ upstream, upstreamConfig: CONVERT })
    for (const _ of ['cold', 'warm']) {
      const { status, headers } = await ask(proxy, '/v2/library/new/manifests/v1', TODAY)
      assert.deepEqual([status, headers['vary']], [200, undefined])
    }
  })
})

suite('what cannot be converted', () => {
  test('without the option: a 404 that says what it is, and how to turn it on', async () => {
    await using it = await withOld({ upstreamConfig: {} })
    for (const method of ['HEAD', 'GET']) {
      const answer = await ask(it.proxy, `${MANIFESTS}/v1`, TODAY, method)
      assert.equal(answer.status, 404)
      assert.equal(answer.headers['vary'], 'Accept, User-Agent')
    }
    const { code, message } = errorIn(await ask(it.proxy, `${MANIFESTS}/v1`))
    assert.equal(code, 'MANIFEST_UNKNOWN')
    assert.match(message, /image of schema 1, which this client does not take/)
    assert.match(message, /`schema1: convert` under upstreams\.docker\.io/)
  })

  const one = { blob: EMPTY_LAYER }
  const v1Compatibility = (text: string) => ({ history: [{ v1Compatibility: text }] })
  const hostile: Readonly<Record<string, readonly [payload: Buffer, said: RegExp]>> = {
    'more layers than history': [
      schema1Payload([one, one], v1Compatibility('{}')),
      /2 layers and the history of 1/,
    ],
    'no layers': [schema1Payload([]), /it has no layers/],
    'history of another type': [schema1Payload([one], { history: 7 }), /its history is no list/],
    'layers of another type': [
      schema1Payload([one], { fsLayers: [7] }),
      /the blobSum of layer 0 is no digest/,
    ],
    'v1Compatibility of another type': [
      schema1Payload([one], { history: [{ v1Compatibility: 7 }] }),
      /has no v1Compat/,
    ],
    'v1Compatibility that is no JSON': [schema1Payload([one], v1Compatibility('no')), /is not a JSON object/],
    'v1Compatibility with 3 MB of values': [
      schema1Payload([one], v1Compatibility(`{"a":[${'1,'.repeat(1_500_000)}1]}`)),
      /more than 10000 JSON values/,
    ],
    'v1Compatibility with 1 MB of lists within lists': [
      schema1Payload([one], v1Compatibility(`{"a":${'['.repeat(1_000_000)}`)),
      /a nesting deeper than 64/,
    ],
    '4,000 layers': [schema1Payload(Array.from({ length: 4_000 }, () => one)), /4000 layers, of which 1000/],
    '10,000 layers': [
      schema1Payload([], {
        fsLayers: Array.from({ length: 10_000 }, () => ({ blobSum: digestOf(EMPTY_LAYER) })),
        history: Array.from({ length: 10_000 }, () => ({ v1Compatibility: '{}' })),
      }),
      /more than 10000 references/,
    ],
  }

  test('hostile manifests: 502 with a reason, and no layer is asked for', async () => {
    await using it = await withOld({ upstreamConfig: CONVERT })
    for (const [name, [payload, said]] of Object.entries(hostile)) {
      const repository = `library/hostile-${digestOf(payload).slice(7, 15)}`
      it.upstream.addManifest(repository, 'v1', payload, DOCKER_SCHEMA1)
      const answer = await ask(it.proxy, `/v2/${repository}/manifests/v1`)
      assert.equal(answer.status, 502, name)
      assert.match(String(errorIn(answer).detail['reason']), said, name)
    }
    assert.equal(it.upstream.count('GET', /\/blobs\//), 0)
    await pulled(it.proxy)
  })

  test('a layer that never ends takes no more than the store has', async () => {
    const layer = digestOf(Buffer.from('never'))
    const body = schema1Payload([{ blob: layer }])
    const piece = blobOf(65_536).bytes
    const open = new Set<ServerResponse>()
    const server = createServer((incoming, outgoing) => {
      if (incoming.url!.includes('/manifests/')) {
        outgoing.setHeader('Content-Type', DOCKER_SCHEMA1)
        outgoing.setHeader('Docker-Content-Digest', digestOf(body))
        outgoing.end(body)
        return
      }
      open.add(outgoing)
      const write = (): void => {
        while (!outgoing.destroyed && outgoing.write(piece));
      }
      outgoing.on('drain', write).on('close', () => open.delete(outgoing))
      write()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const storage = { root: './data', minFree: 0, maxSize: '8MiB' }
      await using proxy = await startProxy({
        upstream: { url },
        upstreamConfig: CONVERT,
        config: { storage },
      })
      const answer = await ask(proxy, `${MANIFESTS}/v1`)
      assert.equal(answer.status, 503)
      assert.equal(errorIn(answer).message, 'local storage failed')
      await eventually(() => open.size === 0)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })

  test('SEC-82: a signature of something else', async () => {
    await using it = await withOld()
    const other = signed(schema1Payload(LAYERS.slice(1)), () => {})
    const stolen = JSON.parse(String(other)).signatures[0].signature as string
    const body = signed(schema1Payload(LAYERS), (signature) => (signature['signature'] = stolen))
    it.upstream.content.addManifest('library/old', 'v1', body, DOCKER_SCHEMA1_SIGNED, it.old.digest)
    const answer = await ask(it.proxy, `${MANIFESTS}/v1`)
    assert.equal(answer.status, 502)
    assert.match(String(errorIn(answer).detail['reason']), /its signature does not match its content/)
    assert.equal(it.upstream.count('GET', /\/blobs\//), 0)
  })

  test('a layer that is damaged, and one that upstream does not have', async () => {
    const cut = first.subarray(0, 50_000)
    await using it = await withOld({ layers: [{ blob: second }, { blob: cut }] })
    const answer = await ask(it.proxy, `${MANIFESTS}/v1`)
    assert.equal(answer.status, 502)
    const { detail } = errorIn(answer)
    assert.match(
      String(detail['reason']),
      new RegExp(`the layer ${digestOf(cut)} is damaged: unexpected end`),
    )
    await ask(it.proxy, `${MANIFESTS}/v1`)
    assert.equal(it.upstream.count('GET', new RegExp(`/blobs/${digestOf(cut)}`)), 1)
    const gone = digestOf(Buffer.from('gone'))
    addOld(it.upstream, [{ blob: gone }], { repository: 'library/gone' })
    const missing = await ask(it.proxy, '/v2/library/gone/manifests/v1')
    assert.equal(missing.status, 404)
    assert.match(errorIn(missing).message, new RegExp(`layer ${gone} does not exist`))
  })

  test('an outage in the middle of it is one, and the next client gets the image', async () => {
    await using it = await withOld()
    it.upstream.on(new RegExp(`/blobs/${digestOf(second)}`), { status: 500, times: 4 })
    const answer = await ask(it.proxy, `${MANIFESTS}/v1`)
    assert.ok([502, 503, 504].includes(answer.status), String(answer.status))
    await eventually(async () => (await ask(it.proxy, `${MANIFESTS}/v1`)).status === 200, 30_000)
    await pulled(it.proxy)
  })
})

/** `YYYYMMDDthhmmssz` */
function instantOfNow(): string {
  return new Date().toISOString().replace(/\.\d+/, '').replaceAll(/[-:]/g, '').toLowerCase()
}
