/** The whole proxy between clients and an upstream that is out to harm them. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestOf } from '../src/oci/digest.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../src/oci/media-types.ts'
import { fakeUpstream } from './support/fake-upstream.ts'
import { blobOf, descriptorOf, eventually, indexOf, manifestOf } from './support/fixtures.ts'
import { startProxy } from './support/proxy.ts'
import { call, RawClient } from './support/raw-client.ts'

const { bytes, digest } = blobOf(3000)
const manifest = manifestOf([bytes])
const APP = '/v2/library/app'

/** Of every answer. */
const COMMON =
  'cache-status connection content-length content-security-policy content-type date ' +
  'docker-distribution-api-version keep-alive x-content-type-options x-request-id'
const CONTENT = `${COMMON} docker-content-digest etag`
const ANSWERS: Readonly<Record<string, string>> = {
  [`${APP}/manifests/latest`]: CONTENT,
  [`${APP}/blobs/${digest}`]: `${CONTENT} accept-ranges`,
  [`${APP}/tags/list`]: COMMON,
  [`${APP}/referrers/${digestOf(manifest)}`]: COMMON,
}
const sorted = (names: readonly string[]): string => names.toSorted().join(' ')

test('SEC-54, SEC-25, SEC-77: no header of upstream reaches a client, cold or warm', async () => {
  await using upstream = await fakeUpstream({ referrers: true })
  upstream.addBlob(bytes)
  upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
  upstream.on(/./, {
    times: Infinity,
    headers: {
      'Set-Cookie': 'session=secret',
      'Cache-Control': 'private, no-store, max-age=1',
      Pragma: 'no-cache',
      Vary: '*',
      Warning: '299 - "x"',
      'X-Evil': 'yes',
      Location: 'http://evil.example/',
      Link: '<http://evil.example/>; rel="preload"',
      'OCI-Filters-Applied': 'evil',
      'WWW-Authenticate': 'Basic realm="evil"',
      'Clear-Site-Data': '"*"',
      'Strict-Transport-Security': 'max-age=1',
      Server: 'evil',
      Age: '7',
    },
  })
  await using proxy = await startProxy({ upstream })
  for (const method of ['GET', 'HEAD', 'GET']) {
    for (const [path, expected] of Object.entries(ANSWERS)) {
      const { status, headers } = await call(proxy.port, method, path)
      assert.equal(status, 200, `${method} ${path}`)
      assert.equal(sorted(Object.keys(headers)), sorted(expected.split(' ')), `${method} ${path}`)
      assert.doesNotMatch(JSON.stringify(headers), /evil/)
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.equal(headers['content-security-policy'], "sandbox; default-src 'none'")
    }
  }
})

test('SEC-73: a client that has huge manifests read waits for the next, and nobody else does, also when traced', async (t) => {
  const [small, ...huge] = [1, 9_999, 9_998].map((layers) =>
    manifestOf([], {
      layers: Array.from({ length: layers }, (_, i) => ({
        ...descriptorOf(Buffer.from('layer')),
        digest: `sha256:${String(layers * 10_000 + i).padStart(64, '0')}`,
      })),
    }),
  ) as [Buffer, Buffer, Buffer]
  for (const tracing of [undefined, { endpoint: 'http://127.0.0.1:1', sample: '100%' }]) {
    await t.test(tracing ? 'traced' : 'not traced', async () => {
      await using upstream = await fakeUpstream()
      upstream.addBlob(bytes)
      upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
      for (const body of [small, ...huge]) upstream.addManifest('evil/app', 'v1', body, OCI_MANIFEST)
      await using proxy = await startProxy({ upstream, config: { ...(tracing && { tracing }) } })
      const answered: string[] = []
      const ask = async (name: string, path: string, localAddress: string): Promise<void> => {
        const request = get({ port: proxy.port, path: `/v2/${path}`, localAddress, agent: false })
        const [response] = (await once(request, 'response')) as [IncomingMessage]
        for await (const _ of response) assert.equal(response.statusCode, 200)
        answered.push(name)
      }
      for (const body of huge) await ask('huge', `evil/app/manifests/${digestOf(body)}`, '127.0.0.66')
      await Promise.all([
        ask('the next', `evil/app/manifests/${digestOf(small)}`, '127.0.0.66'),
        ask('a blob', `library/app/blobs/${digest}`, '127.0.0.66'),
        ask('another client', `library/app/manifests/latest`, '127.0.0.1'),
      ])
      assert.equal(answered.at(-1), 'the next')
    })
  }
})

test('SEC-54: the media type a client sees is one, whatever stands in the header', async (t) => {
  const ofBody = {
    parameters: `${OCI_MANIFEST}; charset=utf-8`,
    'no media type': 'application/x\tX-Evil: yes',
    'another header behind it': `${OCI_MANIFEST}\r\nX-Evil: yes`,
  }
  const refused = {
    'another type': 'text/html',
    'a folded line': `${OCI_MANIFEST}\r\n X-Evil: yes`,
    'a bare CR': `${OCI_MANIFEST}\rX-Evil: yes`,
    'a bare LF': `${OCI_MANIFEST}\nX-Evil: yes`,
    NUL: `${OCI_MANIFEST}\0`,
  }
  for (const [name, type] of Object.entries({ ...ofBody, ...refused })) {
    await t.test(name, async () => {
      await using upstream = await fakeUpstream()
      upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
      upstream.on(/manifests/, { headers: { 'Content-Type': type }, times: Infinity })
      await using proxy = await startProxy({ upstream })
      const { status, headers } = await call(proxy.port, 'GET', `${APP}/manifests/latest`)
      const expected = name in ofBody ? [200, OCI_MANIFEST] : [502, 'application/json']
      assert.deepEqual([status, headers['content-type']], expected)
      assert.equal(headers['x-evil'], undefined)
    })
  }
})

test('SEC-24: the Host of a request selects an upstream, and is in no answer, no log and no request', async () => {
  await using upstream = await fakeUpstream()
  upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
  upstream.addManifest('library/app', 'other', manifest, OCI_MANIFEST)
  await using proxy = await startProxy({ upstream })
  for (const path of ['/manifests/latest', '/tags/list?n=1', '/manifests/none']) {
    using client = await RawClient.connect(proxy.port)
    client.send(`GET ${APP}${path} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n\r\n`)
    const answer = await client.response()
    assert.doesNotMatch(JSON.stringify(answer.headers) + answer.body.toString(), /evil/)
  }
  const authority = new URL(upstream.url).host
  assert.ok(upstream.requests.length > 0)
  for (const { headers } of upstream.requests) assert.equal(headers['host'], authority)
  assert.doesNotMatch(JSON.stringify([proxy.log, upstream.requests]), /evil/)
})

test('SEC-39: what an index lists is fetched when somebody asks for it', async () => {
  await using upstream = await fakeUpstream()
  const children = Array.from({ length: 1000 }, (_, i) => descriptorOf(Buffer.from(`${i}`), OCI_INDEX))
  const { digest } = upstream.addManifest('library/app', 'latest', indexOf(children), OCI_INDEX)
  await using proxy = await startProxy({ upstream })
  assert.equal((await call(proxy.port, 'GET', `${APP}/manifests/latest`)).status, 200)
  await proxy.stop()
  const asked = upstream.requests.map(({ method, path }) => `${method} ${path}`)
  assert.deepEqual(asked, [`HEAD ${APP}/manifests/latest`, `GET ${APP}/manifests/${digest}`])
})

test('SEC-37: an upstream whose HEAD promises what its GET does not have is not asked in circles', async () => {
  await using upstream = await fakeUpstream()
  upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
  await using proxy = await startProxy({ upstream, config: { cache: { tags: [] } } })
  const pull = () => call(proxy.port, 'GET', `${APP}/manifests/latest`)
  upstream.on(/manifests/, {
    method: 'HEAD',
    headers: { 'Docker-Content-Digest': digestOf(Buffer.from('what never was')) },
    times: Infinity,
  })
  // By the tag it has it.
  assert.equal((await pull()).status, 200)
  assert.equal(upstream.requests.length, 3)
  assert.equal((await pull()).status, 200)
  assert.equal(upstream.requests.length, 4)
})

test('SEC-37: lengths are those of the content, not those of a HEAD', async (t) => {
  for (const length of ['10', '400000']) {
    await t.test(length, async () => {
      await using upstream = await fakeUpstream()
      upstream.addBlob(bytes)
      upstream.addManifest('library/app', 'latest', manifest, OCI_MANIFEST)
      upstream.on(/./, { method: 'HEAD', headers: { 'Content-Length': length }, times: Infinity })
      await using proxy = await startProxy({ upstream })
      const lengthOf = async (path: string) =>
        Number((await call(proxy.port, 'HEAD', `${APP}/${path}`)).headers['content-length'])
      assert.equal(await lengthOf('manifests/latest'), manifest.length)
      assert.equal(await lengthOf(`blobs/${digest}`), Number(length), 'all that is known so far')
      assert.deepEqual((await call(proxy.port, 'GET', `${APP}/blobs/${digest}`)).body, bytes)
      // A client may have its last byte a moment before the blob is committed.
      await eventually(async () => (await lengthOf(`blobs/${digest}`)) === bytes.length)
    })
  }
})

test('SEC-51: names on the disk are made of digests, whatever repositories are called', async () => {
  await using upstream = await fakeUpstream()
  upstream.addBlob(bytes)
  const names = ['a', 'a/b/c/d', 'a__b', 'index.sqlite', 'blobs/sha256/ab', 'x/ingest/y', 'a'.repeat(200)]
  for (const name of names) upstream.addManifest(name, 'latest', manifest, OCI_MANIFEST)
  await using proxy = await startProxy({
    upstream,
    config: { upstreams: { 'r.example': { url: upstream.url } } },
  })
  for (const name of names) {
    assert.equal((await call(proxy.port, 'GET', `/v2/${name}/manifests/latest`)).status, 200, name)
    assert.equal((await call(proxy.port, 'GET', `/v2/${name}/blobs/${digest}`)).status, 200, name)
  }
  const own =
    /^(?:CACHEDIR\.TAG|FORMAT|index\.sqlite(?:-wal|-shm|\.lock)?|blobs\/sha256\/[\da-f]{2}\/[\da-f]{64}|ingest\/[\w.-]+)$/
  const data = join(proxy.folder, 'data')
  const entries = await readdir(data, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
  assert.ok(files.length > 2)
  for (const file of files) assert.match(file.slice(data.length + 1), own)
})

test('SEC-75 an upstream cannot lead to our own listeners, nor to JSON of somebody else on this machine', async () => {
  await using upstream = await fakeUpstream()
  await using neighbour = await fakeUpstream()
  await using proxy = await startProxy({ upstream, config: { cache: { negative: '0s' } } })
  neighbour.on(/role/, {
    status: 200,
    headers: { 'Content-Type': 'application/json' },
    body: '{"Code":"Success","SecretAccessKey":"s3cret"}',
    times: Infinity,
  })
  const targets = [
    `${proxy.adminUrl}/api/v1/usage`,
    `${proxy.adminUrl.replace('127.0.0.1', 'localhost')}/metrics`,
    `${proxy.url}/v2/`,
    `${neighbour.url}/latest/meta-data/iam/security-credentials/role`,
  ]
  for (const [i, Location] of targets.entries()) {
    upstream.on(`${APP}/manifests/t${i}`, { status: 307, headers: { Location }, times: Infinity })
    upstream.on(`${APP}/blobs/${digest}`, { status: 307, headers: { Location } })
    const answer = await call(proxy.port, 'GET', `/v2/app/manifests/t${i}`)
    assert.equal(answer.status, 502, Location)
    assert.doesNotMatch(answer.body.toString(), /s3cret|objects/)
    assert.equal((await call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)).status, 502, Location)
  }
})
