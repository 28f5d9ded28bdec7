import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildConnector } from 'undici'
import { isRegistryError } from '../../src/oci/errors.ts'
import { places } from '../../src/upstream/net/places.ts'
import { Connections } from '../../src/upstream/net/connections.ts'
import { withTimeout } from '../../src/upstream/net/with-timeout.ts'
import { httpTransport } from '../../src/upstream/net/transport.ts'
import { rateBudget } from '../../src/upstream/resilience/rate-budget.ts'
import { tokenSource } from '../../src/upstream/auth/token.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { eventually } from '../support/fixtures.ts'

interface Tokens extends AsyncDisposable {
  readonly realm: FakeUpstream
  /** A token for a repository, `app` where none is named. */
  readonly get: (refused?: string, repository?: string) => Promise<string>
  /** Milliseconds; the test turns it. */
  readonly clock: { now: number }
}

/** A token source before a realm, on a real socket, that gives these answers. */
async function tokensFrom(...bodies: (string | Buffer)[]): Promise<Tokens> {
  const realm = await fakeUpstream()
  for (const body of bodies) realm.on('/token', { status: 200, body })
  const connections = new Connections({
    connect: buildConnector({}),
    idle: 5_000,
    metadataConnections: 64,
  })
  const clock = { now: 0 }
  const telemetry = {
    answered() {},
    denied() {},
    received() {},
    rateLimit() {},
    credentials() {},
    circuit() {},
  }
  const source = tokenSource({
    upstream: 'up',
    credentials: async () => undefined,
    now: () => clock.now,
    withTimeout: withTimeout('up', 5_000),
    transport: httpTransport({
      upstream: 'up',
      origin: realm.url,
      connections,
      places: places(64),
      health: { check() {}, responded() {}, failed() {}, silent() {}, heard() {}, close() {} },
      silence: 5_000,
      telemetry,
      budget: rateBudget(() => 0),
    }),
  })
  const request = (repository: string) => ({
    realm: new URL('/token', realm.url),
    service: 's',
    scopes: [`repository:${repository}:pull`],
  })
  return {
    realm,
    clock,
    get: async (refused, repository = 'app') => (await source.get(request(repository), { refused })).text,
    async [Symbol.asyncDispose]() {
      await connections.close()
      await realm[Symbol.asyncDispose]()
    },
  }
}

/** Tokens are `t1` and `t2` and live as long as `expiresIn` says. */
function tokensOf(expiresIn: unknown): Promise<Tokens> {
  return tokensFrom(...['t1', 't2'].map((token) => JSON.stringify({ token, expires_in: expiresIn })))
}

test('F17 a token lives as long as expires_in says, at least a minute and at most an hour', async () => {
  const lifetimes: [expiresIn: unknown, seconds: number][] = [
    [300, 300],
    [undefined, 60],
    [0, 60],
    [-1, 60],
    [1, 60],
    [1e9, 3600],
    ['300', 300],
    ['soon', 60],
    [null, 60],
  ]
  for (const [expiresIn, seconds] of lifetimes) {
    await using tokens = await tokensOf(expiresIn)
    assert.equal(await tokens.get(), 't1')
    tokens.clock.now = seconds * 1000 * 0.89
    assert.equal(await tokens.get(), 't1')
    assert.equal(tokens.realm.tokenRequests, 1, `expires_in ${expiresIn}: renewed too early`)
    tokens.clock.now = seconds * 1000
    assert.equal(await tokens.get(), 't2', `expires_in ${expiresIn}: used too long`)
  }
})

test('a token is renewed shortly before its end while it still serves', async () => {
  await using tokens = await tokensOf(100)
  await tokens.get()
  tokens.clock.now = 95_000
  assert.equal(await tokens.get(), 't1')
  await eventually(async () => (await tokens.get()) === 't2')
  assert.equal(tokens.realm.tokenRequests, 2)
})

test('F15 the realm is down while the token is good: the token serves until its end', async () => {
  await using tokens = await tokensOf(100)
  await tokens.get()
  await tokens.realm.stop()
  tokens.clock.now = 99_000
  assert.equal(await tokens.get(), 't1')
  tokens.clock.now = 100_000
  await assert.rejects(tokens.get(), (error) => isRegistryError(error, 'UPSTREAM_UNAVAILABLE'))
  await tokens.realm.start()
  assert.equal(await tokens.get(), 't2')
})

test('F41 one request is on its way however many wait, for a first token and for one in place of a refused one', async () => {
  await using tokens = await tokensOf(100)
  assert.deepEqual(
    new Set(await Promise.all(Array.from({ length: 100 }, () => tokens.get()))),
    new Set(['t1']),
  )
  assert.equal(tokens.realm.tokenRequests, 1)
  assert.deepEqual(
    new Set(await Promise.all(Array.from({ length: 100 }, () => tokens.get('t1')))),
    new Set(['t2']),
  )
  assert.equal(await tokens.get('t1'), 't2')
  assert.equal(tokens.realm.tokenRequests, 2)
})

test('F17 SEC-07 SEC-81 what the realm answers is read with distrust', async (t) => {
  const answers: [what: string, body: string | Buffer, outcome: string | RegExp][] = [
    ['access_token', '{"access_token":"oauth"}', 'oauth'],
    ['both', '{"token":"first","access_token":"second"}', 'first'],
    ['an empty token', '{"token":"","access_token":"second"}', 'second'],
    ['no token', '{"expires_in":60}', /without a token/],
    ['a token that is no text', '{"token":{"a":1}}', /without a token/],
    ['a token that would split the header', JSON.stringify({ token: 'a\r\nX: y' }), /without a token/],
    ['null', 'null', /not a JSON object/],
    ['HTML', '<html>', /not a JSON object/],
    ['nothing', '', /not a JSON object/],
    ['SEC-81 a token over 16 KiB', JSON.stringify({ token: 'a'.repeat(16_385) }), /longer than 16384 bytes/],
    ['more than a mebibyte', Buffer.alloc(1024 * 1024 + 1, 0x20), /too long/],
  ]
  for (const [what, body, outcome] of answers) {
    await t.test(what, async () => {
      await using tokens = await tokensFrom(body)
      const got = tokens.get()
      if (typeof outcome === 'string') assert.equal(await got, outcome)
      else
        await assert.rejects(
          got,
          (error) => isRegistryError(error) && outcome.test(String(error.detail['reason'])),
        )
    })
  }
})

test('a realm may answer with any 2xx, as Docker and containerd have it', async () => {
  await using tokens = await tokensFrom()
  tokens.realm.on('/token', { status: 201, body: '{"token":"created"}' })
  assert.equal(await tokens.get(), 'created')
})

test('SEC-81 the tokens that are kept are bounded in bytes', async () => {
  await using tokens = await tokensFrom()
  tokens.realm.on('/token', {
    status: 200,
    body: JSON.stringify({ token: 'a'.repeat(16_384), expires_in: 3600 }),
    times: Infinity,
  })
  for (let i = 0; i < 520; i++) await tokens.get(undefined, `app${i}`)
  assert.equal(tokens.realm.tokenRequests, 520)
  await tokens.get(undefined, 'app519')
  assert.equal(tokens.realm.tokenRequests, 520, 'the newest is kept')
  await tokens.get(undefined, 'app0')
  assert.equal(tokens.realm.tokenRequests, 521, 'the oldest is not')
})
