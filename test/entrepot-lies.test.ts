/** The whole proxy before an upstream that says what is not so, and in front of clients that ask for what should not be. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf, parseDigest } from '../src/oci/digest.ts'
import { OCI_MANIFEST } from '../src/oci/media-types.ts'
import { fakeUpstream, type Script } from './support/fake-upstream.ts'
import { blobOf, descriptorOf, eventually, manifestOf } from './support/fixtures.ts'
import { startProxy } from './support/proxy.ts'
import { call, RawClient } from './support/raw-client.ts'

const { bytes, digest } = blobOf(100_000)
const manifest = manifestOf([bytes])
const APP = '/v2/library/app'
const BLOB = `${APP}/blobs/${digest}`

suite('where upstream wants us to go', () => {
  test('SEC-01 SEC-02 a token realm elsewhere gets nothing, also by a redirect; the pull fails, and the log names the host', async () => {
    await using evil = await fakeUpstream()
    const auth = { scheme: 'bearer', username: 'ci', password: 'secret' } as const
    const upstreamConfig = { username: 'ci', password: 'secret' }
    for (const realm of [`${evil.url}/token`, undefined]) {
      await using upstream = await fakeUpstream({ auth: { ...auth, ...(realm !== undefined && { realm }) } })
      upstream.on('/token', { status: 307, headers: { Location: `${evil.url}/token` }, times: Infinity })
      await using proxy = await startProxy({ upstream, upstreamConfig, requests: true })
      assert.equal((await call(proxy.port, 'GET', `${APP}/manifests/latest`)).status, 502)
      const expected = realm === undefined ? 'the token realm redirects' : `token realm ${evil.authority}`
      await eventually(() => JSON.stringify(proxy.log).includes(expected))
    }
    assert.equal(evil.connections, 0)
    assert.equal(evil.requests.length, 0)
  })

  test('SEC-03 layers that a manifest says are elsewhere are asked of upstream, and nobody else', async () => {
    await using evil = await fakeUpstream()
    evil.addBlob(bytes)
    await using upstream = await fakeUpstream()
    const mediaType = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
    const layer = { ...descriptorOf(bytes, mediaType), urls: [evil.url + BLOB] }
    upstream.addManifest('library/app', 'latest', manifestOf([], { layers: [layer] }), OCI_MANIFEST)
    await using proxy = await startProxy({ upstream })
    assert.equal((await call(proxy.port, 'GET', `${APP}/manifests/latest`)).status, 200)
    assert.equal((await call(proxy.port, 'GET', BLOB)).status, 404)
    await proxy.stop()
    assert.equal(upstream.count('GET', BLOB), 1)
    assert.equal(evil.requests.length, 0)
  })

  test('SEC-05 a Link to elsewhere is neither followed nor passed on', async () => {
    await using evil = await fakeUpstream()
    await using upstream = await fakeUpstream()
    for (const tag of ['a', 'b', 'c']) upstream.addManifest('library/app', tag, manifest, OCI_MANIFEST)
    const tags = JSON.stringify({ name: 'library/app', tags: ['a'] })
    const Link = `<${evil.url}/v2/evil/tags/list?last=b&n=1&x=y>; rel="next"`
    upstream.on(/tags/, { status: 200, body: tags, headers: { Link } })
    await using proxy = await startProxy({ upstream })
    const { headers } = await call(proxy.port, 'GET', `${APP}/tags/list?n=1`)
    assert.equal(headers['link'], `<${APP}/tags/list?n=1&last=a>; rel="next"`)
    const next = await call(proxy.port, 'GET', `${APP}/tags/list?n=1&last=b`)
    assert.deepEqual(JSON.parse(next.body.toString()).tags, ['c'])
    assert.deepEqual(
      upstream.requests.map(({ target }) => target),
      [`${APP}/tags/list`, `${APP}/tags/list?last=b&x=y&n=1000`],
    )
    assert.equal(evil.requests.length, 0)
  })
})

suite('content that is something else', () => {
  const corruptions: Record<string, Script> = {
    'SEC-23 a flipped byte': { flipByte: 50_000 },
    'SEC-31 a page of HTML': {
      status: 200,
      body: '<html>sign in</html>',
      headers: { 'Content-Type': 'text/html' },
    },
    'SEC-31 a page of HTML, as long': { status: 200, body: '<html>'.padEnd(bytes.length) },
    'SEC-36 gzip': { encoding: 'gzip' },
    'SEC-38 another range': { status: 206, headers: { 'Content-Range': `bytes 5-100004/100005` } },
  }
  for (const [name, script] of Object.entries(corruptions)) {
    test(`${name}: is not delivered in full, leaves nothing, and the next pull is right`, async () => {
      await using upstream = await fakeUpstream()
      upstream.addBlob(bytes)
      upstream.on(BLOB, script)
      await using proxy = await startProxy({ upstream })
      using client = await RawClient.connect(proxy.port)
      client.request('GET', BLOB, ['Connection: close'])
      const received = await client.rest()
      const [head = ''] = received.toString('latin1').split('\r\n\r\n', 1)
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1])
      assert.match(head, /^HTTP\/1\.1 (?:200|502) /)
      if (head.startsWith('HTTP/1.1 200')) assert.ok(received.length < head.length + 4 + length)
      await eventually(async () => (await call(proxy.port, 'GET', BLOB)).body.equals(bytes))
      await proxy.stop()
      assert.deepEqual(await proxy.ingest(), [])
    })
  }

  test('SEC-30 SEC-22 one upstream cannot choose the media type under which another’s manifest is served', async () => {
    await using upstream = await fakeUpstream()
    await using evil = await fakeUpstream()
    const { mediaType: _, ...untyped } = JSON.parse(manifest.toString())
    const body = Buffer.from(JSON.stringify(untyped))
    const path = `org/app/manifests/${digestOf(body)}`
    upstream.addManifest('org/app', undefined, body, OCI_MANIFEST)
    evil.addManifest('org/app', undefined, body, 'application/vnd.evil+json')
    const upstreams = { 'docker.io': { url: upstream.url }, 'evil.example': { url: evil.url } }
    await using proxy = await startProxy({ upstream, config: { upstreams } })
    for (let round = 0; round < 2; round++) {
      assert.equal((await call(proxy.port, 'GET', `/v2/evil.example/${path}`)).status, 502)
      const { status, headers } = await call(proxy.port, 'GET', `/v2/docker.io/${path}`)
      assert.deepEqual([status, headers['content-type']], [200, OCI_MANIFEST])
    }
  })

  test('SEC-30 SEC-78: the media type of a manifest is the first that was verified for its own repository, whoever says another', async () => {
    await using upstream = await fakeUpstream()
    const document = Buffer.from('{"schemaVersion":2,"anything":1}')
    const types = ['application/vnd.one+json', 'application/vnd.two+json'] as const
    const { digest } = upstream.addManifest('org/one', undefined, document, types[0])
    upstream.addManifest('org/two', undefined, document, types[1])
    await using proxy = await startProxy({ upstream })
    const typeIn = async (name: string) =>
      (await call(proxy.port, 'GET', `/v2/org/${name}/manifests/${digest}`)).headers['content-type']
    for (const [name, type] of [
      ['one', types[0]],
      ['two', types[1]],
      ['two', types[1]],
      ['one', types[0]],
    ] as const)
      assert.equal(await typeIn(name), type, name)
    assert.equal(upstream.requests.length, 2)
  })

  test('SEC-33 sha256 and sha512 of the same bytes are two things, each verified as what it is', async () => {
    await using upstream = await fakeUpstream()
    const sha512 = digestOf(bytes, parseDigest(`sha512:${'0'.repeat(128)}`))
    upstream.addBlob(bytes)
    upstream.content.blobs.set(sha512, bytes)
    await using proxy = await startProxy({ upstream })
    upstream.on(`${APP}/blobs/${sha512}`, { flipByte: 9 })
    for (const one of [digest, sha512]) {
      const path = `${APP}/blobs/${one}`
      await eventually(async () => {
        const answer = await call(proxy.port, 'GET', path).catch(() => undefined)
        return answer?.headers['cache-status'] === 'entrepot; hit' && answer.body.equals(bytes)
      })
      assert.equal((await call(proxy.port, 'HEAD', path)).headers['docker-content-digest'], one)
    }
    assert.equal(upstream.count('GET', `${APP}/blobs/${digest}`), 1)
    assert.equal(upstream.count('GET', `${APP}/blobs/${sha512}`), 2)
  })
})

suite('what clients make up', () => {
  test('SEC-57 pages that cannot be are refused here, and upstream hears nothing', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    for (const query of [
      'n=-1',
      'n=1e12',
      'n=1000000000000',
      'n=abc',
      'n=',
      'n=0x10',
      'last=%00',
      'last=%0d%0aX:',
    ]) {
      assert.equal((await call(proxy.port, 'GET', `${APP}/tags/list?${query}`)).status, 400, query)
    }
    assert.equal(upstream.requests.length, 0)
    upstream.addManifest('library/app', 'a', manifest, OCI_MANIFEST)
    const last = 'a%26n%3D1%23'
    await call(proxy.port, 'GET', `${APP}/tags/list?n=007&last=${last}&evil=x`)
    assert.equal(upstream.requests[0]?.target, `${APP}/tags/list`)
  })

  test('SEC-60 names that clients make up are no labels of metrics', async () => {
    await using upstream = await fakeUpstream()
    await using proxy = await startProxy({ upstream })
    const series = async () =>
      (await (await fetch(`${proxy.adminUrl}/metrics`)).text())
        .split('\n')
        .filter((line) => line.startsWith('entrepot_'))
    const ask = async (name: string) => {
      for (const path of [`${name}/manifests/${name}`, `${name}/tags/list?ns=${name}.example`, name]) {
        await call(proxy.port, 'GET', `/v2/${path}`, [`User-Agent: ${name}`, `X-${name}: ${name}`])
      }
    }
    await ask('first')
    const before = await series()
    for (let i = 0; i < 50; i++) await ask(`madeup${i}`)
    const after = await series()
    assert.equal(after.length, before.length)
    assert.doesNotMatch(after.join('\n'), /madeup/)
  })
})
