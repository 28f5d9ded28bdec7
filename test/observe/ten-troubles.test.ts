/** Ten troubles, and the line by which `entrepot why` tells a person the cause of each. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import type { Status } from '../../src/ports/insight/insight.ts'
import type { Why } from '../../src/ports/insight/why.ts'
import { runEntrepot } from '../support/child.ts'
import { type FakeUpstream, fakeUpstream, type FakeUpstreamOptions } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf, selfSignedCertificate } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'

const layer = blobOf(300_000)
const MANIFEST = manifestOf([layer.bytes])
const GONE = digestOf(Buffer.from('gone'))

interface Trouble {
  readonly name: string
  readonly upstream?: () => FakeUpstreamOptions
  readonly upstreamConfig?: (upstream: FakeUpstream) => Record<string, unknown>
  readonly config?: Record<string, unknown>
  /** What goes wrong. */
  readonly make?: (upstream: FakeUpstream, proxy: Proxy) => void | Promise<void>
  /** What a client pulls, `app:1` if left out. */
  readonly image?: string
  readonly pullIs: number
  readonly verdict: RegExp
  readonly advice: RegExp
  /** What `entrepot status` says last of the upstream, or of the store. */
  readonly status?: RegExp
}

const login = { username: 'ci', password: 'right' }
const bearer = { scheme: 'bearer' as const, ...login }

const TROUBLES: readonly Trouble[] = [
  {
    name: 'a wrong password',
    upstream: () => ({ auth: bearer }),
    upstreamConfig: () => ({ username: 'ci', password: 'wrong' }),
    pullIs: 404,
    verdict: /^fails: docker\.io refuses the configured credentials, and it is not stored$/,
    advice: /^correct the credentials of upstreams\.docker\.io$/,
    status: /^refuses the configured credentials$/,
  },
  {
    name: 'a wrong password of some repositories',
    upstream: () => ({ auth: bearer }),
    upstreamConfig: () => ({
      ...login,
      credentials: [{ match: 'library/app*', username: 'ci', password: 'wrong' }],
    }),
    pullIs: 404,
    verdict: /^fails: docker\.io refuses the configured credentials of library\/app\*, and it is not stored$/,
    advice: /^correct those of library\/app\* in upstreams\.docker\.io\.credentials$/,
    status: /^refuses the configured credentials of library\/app\*$/,
  },
  {
    name: 'a token service whose tokens are expired when they arrive',
    upstream: () => ({ auth: bearer }),
    upstreamConfig: () => ({ ...login, timeouts: { headers: '20s' } }),
    make(upstream) {
      const challenge = `Bearer realm="${upstream.url}/token",service="fake"`
      upstream.on(/manifests/, { status: 401, headers: { 'WWW-Authenticate': challenge }, times: Infinity })
    },
    pullIs: 404,
    verdict:
      /^fails: docker\.io accepts the credentials, and then answers 401 to the tokens of its own token/,
    advice: /^compare the clocks/,
  },
  {
    name: 'a token service that is gone',
    upstream: () => ({ auth: { ...bearer, realm: 'http://127.0.0.1:1/token' } }),
    upstreamConfig: () => ({ ...login, tokenRealms: ['http://127.0.0.1:1'] }),
    pullIs: 502,
    verdict:
      /^fails: docker\.io has a token service at 127\.0\.0\.1:1 that refuses connections: nothing listens/,
    advice: /^check /,
    status: /^has a token service at 127\.0\.0\.1:1 that refuses connections/,
  },
  {
    name: 'a certificate of an unknown authority',
    upstream: () => ({ tls: selfSignedCertificate() }),
    pullIs: 502,
    verdict: /^fails: docker\.io shows a certificate of an authority that is not trusted here, and it is not/,
    advice: /upstreams\.docker\.io\.ca$/,
    status: /^shows a certificate of an authority that is not trusted here$/,
  },
  {
    name: 'a name that is not in DNS',
    upstreamConfig: () => ({ url: 'http://registry.invalid' }),
    pullIs: 502,
    verdict:
      /^fails: docker\.io has a name that (?:is not in DNS|cannot be looked up: DNS does not answer), and/,
    advice: /resolver of this machine/,
    status: /^has a name that /,
  },
  {
    name: 'a rate limit',
    make(upstream) {
      upstream.on(/manifests/, { status: 429, headers: { 'Retry-After': '50' }, times: Infinity })
    },
    pullIs: 503,
    verdict: /^fails: docker\.io limits our requests \(429\), for 50 s more, and it is not stored$/,
    advice: /^wait, or configure credentials/,
    status: /^limits our requests \(429\)/,
  },
  {
    name: 'a registry that hangs',
    upstreamConfig: () => ({ timeouts: { headers: '300ms' } }),
    make: (upstream) => void upstream.on(/v2/, { delayMs: Infinity, times: Infinity }),
    pullIs: 504,
    verdict: /^fails: docker\.io accepts connections and does not answer: it hangs, and it is not stored$/,
    advice: /timeouts\.headers$/,
    status: /^accepts connections and does not answer: it hangs$/,
  },
  {
    name: 'a full disk',
    config: { storage: { root: './data', minFree: 0, maxSize: '100KB' } },
    async make(_, proxy) {
      const { status } = await call(proxy.port, 'GET', `/v2/app/blobs/${layer.digest}`)
      assert.equal(status, 200)
    },
    pullIs: 200,
    verdict: /; but the store has no room for it within storage\.maxSize, so nothing new is kept$/,
    advice: /^raise storage\.maxSize/,
    status: /^the store has no room for it within storage\.maxSize$/,
  },
  {
    name: 'a disk with less room than is to stay free',
    config: { storage: { root: './data', minFree: '7000TiB' } },
    async make(_, proxy) {
      assert.equal((await call(proxy.port, 'GET', `/v2/app/blobs/${layer.digest}`)).status, 200)
    },
    pullIs: 200,
    verdict:
      /; but the store has no room for it, as storage\.minFree is to stay free on the disk, so nothing new/,
    advice: /^free space on the disk, or lower storage\.minFree$/,
    status: /^the store has no room for it, as storage\.minFree is to stay free on the disk$/,
  },
  {
    name: 'an upstream that is never asked',
    upstreamConfig: () => ({ offline: true }),
    pullIs: 404,
    verdict: /docker\.io is offline: it is never asked/,
    advice: /^remove upstreams\.docker\.io\.offline if it should be asked$/,
    status: /^is offline: it is never asked$/,
  },
  {
    name: 'a rule that denies it',
    upstreamConfig: () => ({ deny: ['library/app*'] }),
    pullIs: 403,
    verdict: /^fails: the configuration forbids it \(upstreams\.docker\.io\.deny: library\/app\*\)$/,
    advice: /^remove the pattern from upstreams\.docker\.io\.deny/,
  },
  {
    name: 'an image that was evicted',
    config: { cache: { ttl: '1s', sweep: '* * * * * *', staleIfError: '1s' } },
    async make(upstream, proxy) {
      assert.equal((await call(proxy.port, 'GET', '/v2/app/manifests/1')).status, 200)
      await eventually(async () => (await whyOf(proxy, 'app:1')).stored === null, 30_000)
      upstream.on(/manifests/, { status: 500, times: Infinity })
    },
    pullIs: 502,
    verdict: /^fails: docker\.io answers 500.*, and it was evicted or purged from the store$/,
    advice: /^it is the registry that has to be mended/,
  },
  {
    name: 'a digest that vanished',
    image: `app@${GONE}`,
    async make(_, { port, adminUrl }) {
      const pattern = `docker.io/library/app@${GONE}`
      const headers = { 'Content-Type': 'application/json' }
      const body = JSON.stringify({ pattern })
      assert.equal((await fetch(`${adminUrl}/api/v1/pins`, { method: 'PUT', headers, body })).status, 201)
      assert.ok(port > 0)
    },
    pullIs: 404,
    verdict:
      /^fails: docker\.io does not have this digest, and it is not stored; the pin docker\.io\/.* cannot/,
    advice: /^take another digest: entrepot history docker\.io\/library\/app:TAG/,
  },
]

async function statusOf({ adminUrl }: Proxy): Promise<Status> {
  return (await (await fetch(`${adminUrl}/api/v1/upstreams`)).json()) as Status
}

async function whyOf({ adminUrl }: Proxy, image: string): Promise<Why> {
  const response = await fetch(`${adminUrl}/api/v1/why?image=${encodeURIComponent(image)}`)
  assert.equal(response.status, 200)
  return (await response.json()) as Why
}

suite('entrepot why tells the cause of', { concurrency: 4 }, () => {
  for (const trouble of TROUBLES) {
    test(trouble.name, async () => {
      await using upstream = await fakeUpstream(trouble.upstream?.())
      upstream.addManifest('library/app', '1', MANIFEST, OCI_MANIFEST)
      upstream.addBlob(layer.bytes)
      await using proxy = await startProxy({
        upstream,
        ...(trouble.upstreamConfig && { upstreamConfig: trouble.upstreamConfig(upstream) }),
        ...(trouble.config && { config: trouble.config }),
      })
      await trouble.make?.(upstream, proxy)
      const image = trouble.image ?? 'app:1'
      const before = upstream.requests.length
      const pulled = await call(proxy.port, 'GET', `/v2/${image.replace(/[:@]/, '/manifests/')}`)
      assert.equal(pulled.status, trouble.pullIs)
      const asked = upstream.requests.length
      const { verdict, advice, works } = await whyOf(proxy, image)
      assert.match(verdict, trouble.verdict)
      assert.match(advice ?? '', trouble.advice)
      assert.equal(works === 'no', trouble.pullIs >= 400)
      assert.equal(upstream.requests.length, asked, 'it asked upstream')
      assert.ok(asked >= before)
      if (trouble.status === undefined) return
      const { upstreams, store } = await statusOf(proxy)
      const said = store.trouble?.said ?? upstreams.find(({ name }) => name === 'docker.io')?.said
      assert.match(said ?? '', trouble.status)
    })
  }
})

test('credentials of some repositories that are refused are not blamed for others', async () => {
  await using upstream = await fakeUpstream({ auth: bearer })
  for (const name of ['app', 'other', 'closed'])
    upstream.addManifest(`library/${name}`, '1', MANIFEST, OCI_MANIFEST)
  upstream.on(/library\/closed\/manifests/, { status: 403, times: Infinity })
  const credentials = [{ match: 'library/app', username: 'ci', password: 'wrong' }]
  await using proxy = await startProxy({ upstream, upstreamConfig: { ...login, credentials } })
  for (const [name, status] of [
    ['app', 404],
    ['other', 200],
    ['closed', 404],
  ] as const)
    assert.equal((await call(proxy.port, 'GET', `/v2/${name}/manifests/1`)).status, status)
  const of = async (image: string) => {
    const { verdict, upstream } = await whyOf(proxy, image)
    return [verdict, upstream?.credentials] as const
  }
  const [refused, ofApp] = await of('app:1')
  assert.match(refused, /refuses the configured credentials of library\/app,/)
  assert.equal(ofApp, 'refused')
  assert.equal((await of('other:1'))[1], 'accepted')
  const [denied, ofClosed] = await of('closed:1')
  assert.match(denied, /^fails: docker\.io denies access \(403/)
  assert.equal(ofClosed, 'accepted')
})

test('why: the whole text for an image that works, and one of no upstream', async () => {
  await using upstream = await fakeUpstream()
  upstream.addManifest('library/app', '1', MANIFEST, OCI_MANIFEST)
  upstream.addBlob(layer.bytes)
  upstream.addBlob(Buffer.from('{}'))
  await using proxy = await startProxy({ upstream })
  const why = (image: string) => runEntrepot('why', image, '--server', proxy.adminUrl)
  const unknown = await why('app:1')
  assert.equal(unknown.code, 0, unknown.stderr)
  assert.match(
    unknown.stdout,
    /^docker\.io\/library\/app:1\nis fetched from docker\.io: nothing of it is stored yet\n/,
  )
  await call(proxy.port, 'GET', '/v2/app/manifests/1')
  const partly = await why('app:1')
  assert.match(partly.stdout, /^pull now {2}2 layers, 293 KiB$/m)
  assert.match(partly.stdout, /^if down {3}fails$/m)
  for (const digest of [layer.digest, digestOf(Buffer.from('{}'))])
    assert.equal((await call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)).status, 200)
  await eventually(async () => (await whyOf(proxy, 'app:1')).pull?.bytes === 0)
  const { code, stdout } = await why('docker.io/library/app:1')
  assert.equal(code, 0)
  const lines: readonly RegExp[] = [
    /^docker\.io\/library\/app:1\nworks: served from the store, with no request upstream \(fresh for \d+ \S+ more\)\n/,
    /^route {5}docker\.io, repository library\/app, at http:\/\/127\.0\.0\.1:\d+: the name begins with docker\.io$/m,
    /^access {4}everybody$/m,
    /^policy {4}allowed$/m,
    /^upstream {2}up(?: for \d+ \S+)?, no credentials, answered 200$/m,
    /^tag {7}sha256:[0-9a-f]{64}, checked (?:now|\d+ s ago), fresh for \d+ \S+$/m,
    /^stored {4}unknown {2}whole, 2 parts, 293 KiB$/m,
    /^kept {6}not pinned; goes in 6 d if nobody pulls it, or sooner when the store is full$/m,
    /^pull now {2}no request upstream$/m,
    /^if down {3}works$/m,
    /^answers {3}(?:now|\d+ s ago) {2}blob sha256:[0-9a-f]{12}: found \(\d+ ms\)$/m,
  ]
  for (const line of lines) assert.match(stdout, line)

  const nowhere = await why('unknown.example/app')
  assert.equal(nowhere.code, 1)
  assert.match(
    nowhere.stdout,
    /^unknown\.example\/app:latest\nfails: no upstream is configured for unknown\.example\n/,
  )
  const mistaken = await why('a b')
  assert.equal(mistaken.code, 64)
  assert.match(mistaken.stderr, /image must be a name such as node:20/)
})
