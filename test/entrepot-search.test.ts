/** `/v1/_ping` and `/v1/search`: what clients of `docker search` get, and who is asked for it. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { OCI_MANIFEST } from '../src/oci/media-types.ts'
import { fakeProxy } from './support/fake-proxy.ts'
import { fakeUpstream } from './support/fake-upstream.ts'
import { manifestOf, selfSignedCertificate } from './support/fixtures.ts'
import { startProxy } from './support/proxy.ts'
import { call, RawClient, type RawResponse } from './support/raw-client.ts'
import { tempFolder } from './support/temp-folder.ts'

const HUB = [
  { name: 'nginx', description: 'Official build of Nginx.', star_count: 21000, is_official: true },
  { name: 'bitnami/nginx', description: 'nginx by Bitnami', star_count: 200 },
  { name: 'org/nginx-proxy', star_count: 7 },
  { name: 'secret/nginx' },
  { name: 'alpine', is_official: true },
]

interface Found {
  readonly num_results: number
  readonly num_pages: number
  readonly page: number
  readonly page_size: number
  readonly query: string
  readonly results: readonly { readonly name: string; readonly description: string }[]
}

const searching = (config: object = {}) => ({ search: true, ...config })

async function search(port: number, query: string, headers: readonly string[] = []): Promise<RawResponse> {
  return call(port, 'GET', `/v1/search?${query}`, headers)
}

function found({ status, body }: RawResponse): Found {
  assert.equal(status, 200, String(body))
  return JSON.parse(String(body)) as Found
}

const namesIn = (response: RawResponse) => found(response).results.map(({ name }) => name)

suite('search', () => {
  test('these paths do not exist unless search is on, nor any other of the first protocol', async () => {
    await using upstream = await fakeUpstream({ searched: HUB })
    await using off = await startProxy({ upstream })
    await using on = await startProxy({ upstream, upstreamConfig: searching() })
    for (const path of ['/v1/_ping', '/v1/search?q=nginx'])
      assert.deepEqual(
        [(await call(off.port, 'GET', path)).status, (await call(on.port, 'GET', path)).status],
        [404, 200],
        path,
      )
    for (const path of [
      '/v1/',
      '/v1',
      '/v1/users',
      '/v1/repositories/nginx/images',
      '/v1/search/',
      '/v1//search',
    ])
      assert.equal((await call(on.port, 'GET', path)).status, 404, path)
    assert.equal((await call(on.port, 'PUT', '/v1/search')).status, 404)
    const ping = await call(on.port, 'GET', '/v1/_ping')
    assert.equal(ping.headers['x-docker-registry-standalone'], 'true')
  })

  test("the answer is in the words of Docker Hub's index, and kept for a short while", async () => {
    await using upstream = await fakeUpstream({ searched: HUB })
    await using proxy = await startProxy({ upstream, upstreamConfig: searching() })
    const first = await search(proxy.port, 'q=nginx&n=2')
    assert.equal(first.headers['cache-status'], 'entrepot; fwd=uri-miss; fwd-status=200')
    assert.deepEqual(found(first), {
      query: 'nginx',
      num_results: 4,
      num_pages: 2,
      page: 1,
      page_size: 2,
      results: [
        {
          name: 'nginx',
          description: 'Official build of Nginx.',
          star_count: 21000,
          is_official: true,
          is_automated: false,
          is_trusted: false,
        },
        {
          name: 'bitnami/nginx',
          description: 'nginx by Bitnami',
          star_count: 200,
          is_official: false,
          is_automated: false,
          is_trusted: false,
        },
      ],
    })
    assert.match((await search(proxy.port, 'q=nginx&n=2')).headers['cache-status']!, /^entrepot; hit; ttl=/)
    assert.deepEqual(namesIn(await search(proxy.port, 'q=nginx&n=2&page=2')), [
      'org/nginx-proxy',
      'secret/nginx',
    ])
    assert.equal(upstream.count('GET', '/v1/search'), 2)
    assert.deepEqual(
      upstream.find('GET', '/v1/search').map(({ target }) => target),
      ['/v1/search?q=nginx&n=2', '/v1/search?q=nginx&n=2&page=2'],
    )
  })

  test('parameters that are out of bounds are refused, and not sent', async () => {
    await using upstream = await fakeUpstream({ searched: HUB })
    await using proxy = await startProxy({ upstream, upstreamConfig: searching() })
    for (const query of ['n=0', 'n=101', 'n=-1', 'n=1e2', 'n=', 'page=0', 'page=1001', 'page=x'])
      assert.equal((await search(proxy.port, `q=nginx&${query}`)).status, 400, query)
    for (const query of [`q=${'n'.repeat(201)}`, 'q=a%00b', 'q=a%0d%0ab', 'q=%e2%80%ae'])
      assert.equal((await search(proxy.port, query)).status, 400, query)
    assert.equal(upstream.requests.length, 0)
  })

  test('what may not be pulled is not found', async () => {
    await using upstream = await fakeUpstream({ searched: HUB })
    await using folder = await tempFolder()
    await writeFile(join(folder.path, 'users'), `ci:${hashSync('password', 4)}\n`)
    await using proxy = await startProxy({
      upstream,
      folder: folder.path,
      upstreamConfig: searching({ deny: ['secret/*'] }),
      config: {
        access: {
          htpasswd: './users',
          rules: [
            { identity: 'ci', repositories: ['docker.io/library/*', 'docker.io/secret/*'] },
            { repositories: ['docker.io/org/*'] },
          ],
        },
      },
    })
    const login = `Authorization: Basic ${Buffer.from('ci:password').toString('base64')}`
    assert.deepEqual(namesIn(await search(proxy.port, 'q=nginx', [login])), ['nginx'])
    const anonymous = found(await search(proxy.port, 'q=nginx'))
    assert.deepEqual([anonymous.num_results, anonymous.results[0]?.name], [1, 'org/nginx-proxy'])
  })

  test('without a login where one is needed, nobody searches', async () => {
    await using upstream = await fakeUpstream({ searched: HUB })
    await using folder = await tempFolder()
    await writeFile(join(folder.path, 'users'), `ci:${hashSync('password', 4)}\n`)
    const config = { access: { htpasswd: './users' } }
    await using proxy = await startProxy({
      upstream,
      folder: folder.path,
      upstreamConfig: searching(),
      config,
    })
    assert.equal((await call(proxy.port, 'GET', '/v1/_ping')).status, 200)
    assert.equal((await search(proxy.port, 'q=nginx')).status, 401)
    assert.equal(upstream.requests.length, 0)
  })

  test('where upstream has no search, what is stored is found', async () => {
    await using upstream = await fakeUpstream()
    for (const name of ['library/nginx', 'bitnami/nginx', 'org/app'])
      upstream.addManifest(name, 'v1', manifestOf([Buffer.from(name)]), OCI_MANIFEST)
    await using proxy = await startProxy({ upstream, upstreamConfig: searching() })
    for (const name of ['nginx', 'bitnami/nginx', 'org/app'])
      assert.equal((await call(proxy.port, 'GET', `/v2/${name}/manifests/v1`)).status, 200)
    const stored = await search(proxy.port, 'q=NGINX')
    assert.deepEqual(namesIn(stored), ['bitnami/nginx', 'nginx'])
    assert.equal(stored.headers['cache-status'], 'entrepot; hit')
    assert.deepEqual(namesIn(await search(proxy.port, 'q=nginx&n=1&page=2')), ['nginx'])
    assert.deepEqual(namesIn(await search(proxy.port, 'q=bitnami%20ngi')), ['bitnami/nginx'])
    assert.deepEqual(namesIn(await search(proxy.port, 'q=')), ['bitnami/nginx', 'nginx', 'org/app'])
    assert.equal(upstream.count('GET', '/v1/search'), 1, 'it has said that it has none')
  })

  for (const [fault, script] of [
    ['down', { status: 503 }],
    ['limiting', { status: 429 }],
    ['silent', { delayMs: Infinity }],
    ['for people', { status: 200, body: '<html>sign in</html>', headers: { 'Content-Type': 'text/html' } }],
    ['nested without end', { status: 200, body: `{"results":${'['.repeat(900_000)}` }],
    ['endless', { status: 200, body: 'x'.repeat(2 * 1024 * 1024), contentLength: 'chunked' }],
  ] as const) {
    test(`a search that is ${fault} is answered from the store, and pulls go on`, async () => {
      await using upstream = await fakeUpstream({ searched: HUB })
      upstream.addManifest('library/nginx', 'v1', manifestOf([]), OCI_MANIFEST)
      upstream.addManifest('org/app', 'v1', manifestOf([Buffer.from('app')]), OCI_MANIFEST)
      const timeouts = { connect: '1s', headers: '500ms', idle: '1s' }
      await using proxy = await startProxy({ upstream, upstreamConfig: searching({ timeouts }) })
      upstream.on('/v1/search', { ...script, times: 1000 })
      assert.equal((await call(proxy.port, 'GET', '/v2/nginx/manifests/v1')).status, 200)
      for (let i = 0; i < 8; i++)
        assert.deepEqual(namesIn(await search(proxy.port, `q=nginx&n=${i + 1}`)), ['nginx'])
      assert.ok(upstream.count('GET', '/v1/search') < 8)
      assert.equal((await call(proxy.port, 'GET', '/v2/org/app/manifests/v1')).status, 200)
    })
  }

  test('an answer that was known is served while upstream is out', async () => {
    await using upstream = await fakeUpstream({ searched: HUB })
    const config = { cache: { lists: '0s' } }
    await using proxy = await startProxy({ upstream, upstreamConfig: searching(), config })
    assert.equal(namesIn(await search(proxy.port, 'q=nginx')).length, 4)
    await upstream.stop()
    const stale = await search(proxy.port, 'q=nginx')
    assert.equal(namesIn(stale).length, 4)
    assert.match(stale.headers['cache-status']!, /detail=stale-if-error/)
  })

  test('an upstream that is never dialled is searched in the store', async () => {
    await using upstream = await fakeUpstream({ searched: HUB })
    await using proxy = await startProxy({ upstream, upstreamConfig: searching({ offline: true }) })
    assert.deepEqual(namesIn(await search(proxy.port, 'q=nginx')), [])
    assert.equal(upstream.requests.length, 0)
  })

  test('what is no name is left out, and what a terminal would obey', async () => {
    const searched = [
      { name: '../../etc/passwd' },
      { name: 'UPPER' },
      { name: 'nginx', description: '\u001b[2Jgone\u202e\nline' + 'x'.repeat(5000) },
      ...Array.from({ length: 300 }, (_, i) => ({ name: `org/nginx-${i}` })),
    ]
    await using upstream = await fakeUpstream()
    const body = JSON.stringify({ num_results: -3, results: [null, 7, {}, ...searched] })
    upstream.on('/v1/search', { status: 200, body, times: 10 })
    await using proxy = await startProxy({ upstream, upstreamConfig: searching() })
    const { results, num_results: total } = found(await search(proxy.port, 'q=nginx&n=100'))
    assert.equal(results[0]?.name, 'nginx')
    assert.match(results[0].description, /^ \[2Jgone linex+$/)
    assert.doesNotMatch(results[0].description, /\p{C}/u)
    assert.ok(results[0].description.length <= 1000)
    assert.ok(results.length <= 100)
    assert.equal(total, results.length)
  })

  test('of several endpoints, the first that has a search and is not out', async () => {
    await using none = await fakeUpstream()
    await using has = await fakeUpstream({ searched: HUB })
    await using proxy = await startProxy({
      upstream: none,
      config: { upstreams: { 'docker.io': { endpoints: [none.url, has.url], search: true } } },
    })
    assert.equal(namesIn(await search(proxy.port, 'q=nginx')).length, 4)
  })

  test('Docker Hub is searched at its index, which is not its registry and gets no credentials', async () => {
    const tls = selfSignedCertificate('DNS:index.docker.io')
    await using index = await fakeUpstream({ searched: HUB, tls })
    await using way = await fakeProxy(() => index.port)
    await using folder = await tempFolder()
    await writeFile(join(folder.path, 'ca.pem'), tls.cert)
    const hub = { username: 'ci', password: 'hub-token', ca: './ca.pem', search: true }
    await using proxy = await startProxy({
      upstream: index,
      folder: folder.path,
      env: { HTTPS_PROXY: way.url },
      config: { upstreams: { 'docker.io': hub } },
    })
    assert.equal(namesIn(await search(proxy.port, 'q=nginx')).length, 4)
    assert.deepEqual(new Set(way.asked.map(({ target }) => target)), new Set(['index.docker.io:443']))
    assert.ok(index.requests.every(({ headers }) => headers['authorization'] === undefined))
  })

  test('the Host header says which upstream is searched', async () => {
    await using hub = await fakeUpstream({ searched: HUB })
    await using other = await fakeUpstream({ searched: [{ name: 'team/nginx' }] })
    await using proxy = await startProxy({
      upstream: hub,
      config: {
        upstreams: {
          'docker.io': { url: hub.url, search: true },
          'a.example': { url: other.url, hosts: ['a.local'], search: true },
          'b.example': { url: other.url, hosts: ['b.local'] },
        },
        defaultUpstream: 'docker.io',
      },
    })
    const at = (host: string) => fetchAt(proxy.port, host)
    assert.deepEqual(namesIn(await at('a.local:5000')), ['team/nginx'])
    assert.equal((await at('b.local')).status, 404)
    assert.equal(namesIn(await at('localhost')).length, 4)
  })
})

async function fetchAt(port: number, host: string): Promise<RawResponse> {
  using client = await RawClient.connect(port)
  client.send(`GET /v1/search?q=nginx HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  return await client.response()
}
