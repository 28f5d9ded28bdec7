/** What registries ask for in their challenges, and where that may be got. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { withRememberedDenials } from '../../src/upstream/resilience/remembered-denials.ts'
import { upstreamClient } from '../../src/upstream/client.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, manifestOf } from '../support/fixtures.ts'
import { fakeRegistry } from '../support/registries/fake-registry.ts'
import type { Dialect } from '../support/registries/layer.ts'
import { givesTokens, wantsToken } from '../support/registries/tokens.ts'
import { assertFails, connectTo, login } from './setup.ts'

const { bytes, digest } = blobOf(1000)
const MANIFEST = manifestOf([bytes])

async function withImage(dialect: Partial<Dialect>) {
  const registry = await fakeRegistry({ name: 'fake', layers: [], ...dialect })
  registry.content.addManifest('app', 'v1', MANIFEST, OCI_MANIFEST)
  registry.content.addBlob(bytes)
  return registry
}

const tokensAsked = (upstream: { find: FakeUpstream['find'] }): string[] =>
  upstream.find('GET', /token/).map(({ target }) => decodeURIComponent(target.replace(/^.*scope=/, '')))

test('FR-04 the scope of the challenge is asked for, of this kind of request alone', async () => {
  const scope = (repository: string, kind: string) =>
    kind === 'tags' ? `repository:${repository}:metadata_read` : `repository:prefix/${repository}:pull`
  await using registry = await withImage({ layers: [wantsToken({ path: '/token', scope })] })
  await using client = connectTo(registry.url)
  for (let round = 0; round < 2; round++) {
    const { resolve, tags } = client.repository()
    assert.ok(await resolve('v1'))
    assert.ok(await tags.whole())
  }
  assert.deepEqual(tokensAsked(registry), [
    'repository:prefix/app:pull',
    'repository:app:pull',
    'repository:app:metadata_read',
  ])
  // Learnt: the second round was not challenged.
  assert.equal(registry.requests.filter(({ path }) => path === '/v2/app/tags/list').length, 3)
})

test('FR-04 no right to write is asked for, whatever the challenge says', async () => {
  await using upstream = await fakeUpstream()
  upstream.addManifest('app', 'v1', MANIFEST, OCI_MANIFEST)
  const challenge = `Bearer realm="${upstream.url}/token",scope="repository:app:pull,push,delete"`
  upstream.on(/manifests/, { status: 401, headers: { 'WWW-Authenticate': challenge } })
  upstream.on('/token', { status: 200, body: '{"token":"good"}' })
  await using client = connectTo(upstream.url)
  assert.ok(await client.repository().resolve('v1'))
  assert.deepEqual(tokensAsked(upstream), ['repository:app:pull'])
})

test('FR-19 a realm that is not quoted, or is relative, is read as it is meant', async (t) => {
  const realms: Record<string, (url: string) => string> = {
    'not quoted': (url) => url,
    'a path': (url) => `"${new URL(url).pathname}"`,
    'a path, not quoted': (url) => new URL(url).pathname,
  }
  for (const [what, realm] of Object.entries(realms)) {
    await t.test(what, async () => {
      await using registry = await withImage({ layers: [wantsToken({ path: '/auth/token', realm })] })
      await using client = connectTo(registry.url)
      assert.ok(await client.repository().resolve('v1'))
    })
  }
})

test('FR-11 a realm elsewhere gives an anonymous token where no credentials are configured, and gets none', async () => {
  const tokens = { path: '/token', beside: true }
  await using registry = await withImage({ layers: [wantsToken(tokens)], beside: givesTokens(tokens) })
  await using anonymous = connectTo(registry.url)
  assert.ok(await anonymous.repository().resolve('v1'))
  assert.equal(registry.beside.requests.length, 1)
  assert.equal(registry.beside.requests[0]!.headers['authorization'], undefined)
  await using known = connectTo(registry.url, { credentials: login('ci', 'secret') })
  await assertFails(known.repository().resolve('v1'), 'UPSTREAM_INVALID', { reason: /not in tokenRealms/ })
  assert.equal(registry.beside.requests.length, 1)
})

test('FR-10 an API that redirects to another registry is followed with an anonymous token, and never with credentials', async () => {
  await using other = await withImage({ layers: [wantsToken({ path: '/token' })] })
  const redirect = { layers: [() => ({ status: 307, headers: { Location: '' }, body: Buffer.alloc(0) })] }
  await using gateway = await fakeRegistry({
    name: 'gateway',
    layers: [
      (request) => ({ ...redirect.layers[0]!(), headers: { Location: `${other.url}${request.target}` } }),
    ],
  })
  await using client = connectTo(gateway.url, { credentials: login('ci', 'secret') })
  const { resolve, manifest, statBlob } = client.repository()
  const resolved = await resolve('v1')
  assert.ok(resolved)
  assert.ok(await manifest(resolved.digest))
  assert.equal((await statBlob(digest))?.size, bytes.length)
  for (const { headers } of other.requests) assert.doesNotMatch(headers['authorization'] ?? '', /^Basic/)
  assert.equal(other.count('GET', '/token'), 1)
})

test('FR-13 a token that is not valid yet is tried once more, within a second', async (t) => {
  await t.test('it is valid then', async () => {
    await using upstream = await fakeUpstream({ auth: { scheme: 'bearer' } })
    upstream.addManifest('app', 'v1', MANIFEST, OCI_MANIFEST)
    await using client = connectTo(upstream.url)
    upstream.on(/manifests/, { status: 401, headers: challengeOf(upstream), times: 2 })
    assert.ok(await client.repository().resolve('v1'))
    assert.equal(upstream.tokenRequests, 1)
    assert.equal(upstream.count('HEAD', /manifests/), 3)
  })
  await t.test('a token that grants nothing is believed at once', async () => {
    await using upstream = await fakeUpstream()
    await using client = connectTo(upstream.url)
    const payload = Buffer.from(JSON.stringify({ access: [] })).toString('base64url')
    upstream.on(/manifests/, { status: 401, headers: challengeOf(upstream), times: Infinity })
    upstream.on('/token', {
      status: 200,
      body: JSON.stringify({ token: `e30.${payload}.x` }),
      times: Infinity,
    })
    await assertFails(client.repository().resolve('v1'), 'UPSTREAM_DENIED')
    assert.equal(upstream.count('HEAD', /manifests/), 2)
  })
})

function challengeOf(upstream: FakeUpstream): { 'WWW-Authenticate': string } {
  return {
    'WWW-Authenticate': `Bearer realm="${upstream.url}/token",service="fake",scope="repository:app:pull"`,
  }
}

test('FR-18 a denied repository is asked for once in a while, and no other one with it', async () => {
  await using upstream = await fakeUpstream({ auth: { scheme: 'bearer' } })
  for (const name of ['app', 'secret']) upstream.addManifest(name, 'v1', MANIFEST, OCI_MANIFEST)
  upstream.on(/\/v2\/secret\//, { status: 403, times: Infinity })
  const silent = {
    answered() {},
    received() {},
    rateLimit() {},
    credentials() {},
    available() {},
    denied() {},
    circuit() {},
  }
  const client = upstreamClient({ name: 'up', url: upstream.url, telemetry: silent })
  const remembered = withRememberedDenials(client, { duration: 60_000, credentials: async () => undefined })
  try {
    const { resolve, tags } = remembered.repository('secret')
    for (let i = 0; i < 100; i++) await assertFails(resolve(`v${i}`), 'UPSTREAM_DENIED', { status: 403 })
    for (let i = 0; i < 100; i++) await assertFails(tags.whole(), 'UPSTREAM_DENIED', { status: 403 })
    assert.ok(upstream.requests.length <= 8, `${upstream.requests.length} requests`)
    assert.ok(await remembered.repository('app').resolve('v1'))
  } finally {
    await client.close()
  }
})

test('FR-18 a denial is forgotten as soon as the credentials are others', async () => {
  const auth = { scheme: 'basic' as const, username: 'ci', password: 'right' }
  await using upstream = await fakeUpstream({ auth })
  upstream.addManifest('app', 'v1', MANIFEST, OCI_MANIFEST)
  const silent = {
    answered() {},
    received() {},
    rateLimit() {},
    credentials() {},
    denied() {},
    circuit() {},
  }
  let login = { username: 'ci', password: 'wrong' }
  const credentials = async () => login
  const client = upstreamClient({ name: 'up', url: upstream.url, telemetry: silent, credentials })
  const { resolve } = withRememberedDenials(client, { duration: 60_000, credentials }).repository('app')
  try {
    await assertFails(resolve('v1'), 'UPSTREAM_DENIED')
    await assertFails(resolve('v1'), 'UPSTREAM_DENIED', { asked: 'not again yet' })
    login = { username: 'ci', password: 'right' }
    assert.ok(await resolve('v1'))
  } finally {
    await client.close()
  }
})
