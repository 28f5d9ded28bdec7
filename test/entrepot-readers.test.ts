/** Content to its reader, on the whole proxy: what is in the store is for those who may read it upstream, and nobody else notices it. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { digestOf } from '../src/oci/digest.ts'
import { OCI_MANIFEST } from '../src/oci/media-types.ts'
import { type FakeUpstream, fakeUpstream } from './support/fake-upstream.ts'
import { eventually, manifestOf } from './support/fixtures.ts'
import { type Proxy, startProxy } from './support/proxy.ts'
import { call, RawClient, type RawResponse } from './support/raw-client.ts'

const layer = randomBytes(1_000_000)
const digest = digestOf(layer)
const manifest = manifestOf([layer])

const BLOB = `blobs/${digest}`
const MANIFEST = `manifests/${digestOf(manifest)}`
/** Every way to ask for what repository `a` has, or for a hint that it is here. */
const QUESTIONS: readonly (readonly [method: 'GET' | 'HEAD', question: string, range?: string])[] = [
  ['GET', BLOB],
  ['GET', BLOB, 'bytes=0-99'],
  ['GET', BLOB, 'bytes=999999-'],
  ['GET', BLOB, 'bytes=5000000-'],
  ['HEAD', BLOB],
  ['GET', MANIFEST],
  ['HEAD', MANIFEST],
  ['GET', 'manifests/latest'],
  ['HEAD', 'manifests/latest'],
  ['GET', 'tags/list'],
  ['GET', `referrers/${digestOf(manifest)}`],
]

/** Nothing refers to what does not exist. */
const absent = ([, question]: (typeof QUESTIONS)[number]): number =>
  question.startsWith('referrers') ? 200 : 404

async function ask(proxy: Proxy, [method, question, range]: (typeof QUESTIONS)[number], name = 'org/b') {
  using client = await RawClient.connect(proxy.port)
  client.request(method, `/v2/${name}/${question}`, range === undefined ? [] : [`Range: ${range}`])
  return await client.response(method)
}

/** All that can be told from an answer, but whether an upstream that is down was asked again for it: that depends on who asked before. */
function shown({ status, headers, body }: RawResponse): unknown {
  const { date: _date, 'x-request-id': _id, 'content-length': length, ...rest } = headers
  const isError = status >= 400 && body.length > 0
  return {
    status,
    headers: rest,
    length: isError || status >= 500 ? undefined : length,
    body: isError ? body.toString().replace(',"asked":"not again yet"', '') : body,
  }
}

/** An upstream whose repository `org/a` is private, and does not contain what `org/b` asks for. */
async function privateUpstream(): Promise<FakeUpstream> {
  const upstream = await fakeUpstream({ referrers: true })
  upstream.addBlob(layer)
  upstream.addManifest('org/a', 'latest', manifest, OCI_MANIFEST)
  return upstream
}

async function pull(proxy: Proxy, name = 'org/a'): Promise<void> {
  assert.equal((await call(proxy.port, 'GET', `/v2/${name}/manifests/latest`)).status, 200)
  assert.equal(digestOf((await call(proxy.port, 'GET', `/v2/${name}/${MANIFEST}`)).body), digestOf(manifest))
  assert.equal(digestOf((await call(proxy.port, 'GET', `/v2/${name}/${BLOB}`)).body), digest)
}

suite('a private image through another repository of its upstream', () => {
  const OUTCOMES: Record<string, (upstream: FakeUpstream) => unknown> = {
    'does not exist there': (upstream) => upstream.on(/\/org\/b\//, { status: 404, times: Infinity }),
    'is denied, 401': (upstream) => upstream.on(/\/org\/b\//, { status: 401, times: Infinity }),
    'is denied, 403': (upstream) => upstream.on(/\/org\/b\//, { status: 403, times: Infinity }),
    'upstream is down': (upstream) => upstream.stop(),
  }
  for (const [outcome, arrange] of Object.entries(OUTCOMES)) {
    test(`SEC-20 ${outcome}: nothing of it, and the same answers whether it is in the store or not`, async () => {
      await using upstream = await privateUpstream()
      await using cold = await startProxy({ upstream })
      await using warm = await startProxy({ upstream })
      await pull(warm)
      await arrange(upstream)
      for (const question of QUESTIONS) {
        const answer = await ask(warm, question)
        const expected =
          outcome === 'does not exist there' ? absent(question) : outcome.includes('down') ? 502 : 404
        assert.equal(answer.status, expected, question.join(' '))
        assert.deepEqual(shown(answer), shown(await ask(cold, question)), question.join(' '))
      }
      // Who has shown the right keeps it meanwhile.
      await pull(warm)
    })
  }

  test('SEC-20 what one repository was refused says nothing about another', async () => {
    await using upstream = await privateUpstream()
    await using proxy = await startProxy({ upstream })
    upstream.on(/\/org\/b\//, { status: 404, times: Infinity })
    for (const question of QUESTIONS) assert.equal((await ask(proxy, question)).status, absent(question))
    await pull(proxy)
  })
})

/** What an attacker has put in the place of the layer: as long, so that nothing else tells them apart. */
const decoy = randomBytes(layer.length)

/** No 64 bytes in a row of the layer are in what was received. */
function showsNothing(received: Buffer): void {
  for (let at = 0; at + 64 <= layer.length; at += 4096) {
    assert.ok(!received.includes(layer.subarray(at, at + 64)), `byte ${at} of the layer`)
  }
}

async function received(proxy: Proxy, path: string, headers: readonly string[] = []): Promise<Buffer> {
  using client = await RawClient.connect(proxy.port)
  client.request('GET', path, ['Connection: close', ...headers])
  return await client.rest()
}

/** An upstream of the attacker's, which says that it has everything, and a proxy for it and for the one that is attacked. */
async function attacked() {
  const upstream = await privateUpstream()
  const evil = await fakeUpstream()
  evil.content.blobs.set(digest, decoy)
  const upstreams = {
    'docker.io': { url: upstream.url, timeouts: { idle: '5s' } },
    'evil.example': { url: evil.url },
  }
  const proxy = await startProxy({
    upstream,
    config: { upstreams, transfers: { finishFrom: '100%', finishBelow: 0 } },
  })
  return {
    upstream,
    evil,
    proxy,
    async attack(): Promise<void> {
      const path = `/v2/evil.example/org/a/${BLOB}`
      for (let round = 0; round < 3; round++) {
        assert.equal((await call(proxy.port, 'HEAD', path)).headers['content-length'], String(decoy.length))
        showsNothing(await received(proxy, path))
        showsNothing(await received(proxy, path, ['Range: bytes=100000-200000']))
        showsNothing(await received(proxy, path, [`Range: bytes=${layer.length - 1000}-`]))
        await Promise.all(Array.from({ length: 5 }, async () => showsNothing(await received(proxy, path))))
      }
      assert.ok(evil.bodyBytes(/blobs/) > 0, 'the attacker is asked for it, and gives the decoy')
    },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]()
      await upstream[Symbol.asyncDispose]()
      await evil[Symbol.asyncDispose]()
    },
  }
}

suite('a private image through an upstream that lies', () => {
  test('SEC-20 SEC-22 what is in the store', async () => {
    await using scene = await attacked()
    await pull(scene.proxy)
    await scene.attack()
    await scene.upstream.stop()
    await pull(scene.proxy)
  })

  test('SEC-20 SEC-22 what is on its way', async () => {
    await using scene = await attacked()
    const { upstream, proxy } = scene
    const rest = Promise.withResolvers<void>()
    upstream.on(/blobs/, { atByte: { k: 600_000, then: rest.promise } })
    const reading = call(proxy.port, 'GET', `/v2/org/a/${BLOB}`)
    await eventually(() => upstream.bodyBytes(/blobs/) >= 600_000)
    await scene.attack()
    rest.resolve()
    assert.equal(digestOf((await reading).body), digest)
  })

  test('SEC-20 SEC-22 what is left of an unfinished download', async () => {
    await using scene = await attacked()
    const { upstream, evil, proxy } = scene
    upstream.on(/blobs/, { atByte: { k: 600_000, then: 'stall' } })
    {
      using client = await RawClient.connect(proxy.port)
      client.request('GET', `/v2/org/a/${BLOB}`)
      await client.received(500_000)
    }
    await eventually(() => upstream.connections === 0)
    await eventually(async () => (await proxy.openContent()).length === 0)
    assert.ok((await proxy.ingest()).some((name) => name.endsWith('.part')))
    await scene.attack()
    assert.equal(evil.find('GET', /blobs/)[0]?.headers['range'], undefined)
    assert.equal(digestOf((await call(proxy.port, 'GET', `/v2/org/a/${BLOB}`)).body), digest)
    assert.match(upstream.find('GET', /blobs/).at(-1)?.headers['range'] ?? '', /^bytes=[1-9]/)
  })

  test('SEC-20 one that has it sends it once, and has proved it', async () => {
    await using scene = await attacked()
    const { evil: honest, proxy } = scene
    await pull(proxy)
    honest.addBlob(layer)
    for (let i = 0; i < 3; i++) {
      const answer = await call(proxy.port, 'GET', `/v2/evil.example/org/a/${BLOB}`)
      assert.equal(digestOf(answer.body), digest)
    }
    assert.deepEqual(
      honest.requests.map(({ method }) => method),
      ['GET'],
    )
    // Of another repository it is believed.
    const answer = await call(proxy.port, 'GET', `/v2/evil.example/org/c/${BLOB}`)
    assert.equal(digestOf(answer.body), digest)
    assert.deepEqual(
      honest.requests.map(({ method }) => method),
      ['GET', 'HEAD'],
    )
  })
})
