import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { keySet } from '../../src/access/key-set.ts'
import { tokens } from '../../src/access/tokens.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import { AUDIENCE, issuer, ISSUER, type Issuer } from '../support/issuer.ts'

function verifier(from: Issuer, claim = 'sub') {
  const failures: unknown[] = []
  const keys = keySet({ url: from.jwks, failed: (error) => failures.push(error) })
  const identify = tokens({ issuer: ISSUER, audience: AUDIENCE, claim, key: keys.key })
  return { identify, failures, [Symbol.asyncDispose]: () => keys[Symbol.asyncDispose]() }
}

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const seconds = (from = 0): number => Math.floor(Date.now() / 1000) + from
const cannotTell = (error: unknown): boolean => isRegistryError(error, 'UPSTREAM_UNAVAILABLE')

test('a token of the issuer is whose it says, by the claim that is configured', async () => {
  await using from = await issuer()
  await using bySubject = verifier(from)
  assert.equal(await bySubject.identify(await from.token()), 'ci-7')
  assert.equal(await bySubject.identify(await from.token({ aud: ['other', AUDIENCE] })), 'ci-7')
  await using byMail = verifier(from, 'email')
  assert.equal(await byMail.identify(await from.token({ email: 'a@b.example' })), 'a@b.example')
  assert.equal(await byMail.identify(await from.token()), undefined)
})

test('SEC-08: what is expired, for others, by others, unsigned or signed by another algorithm is nobody’s', async () => {
  await using from = await issuer()
  await using set = verifier(from)
  const { identify } = set
  await using stranger = await issuer()
  const good = await from.token()
  const [header, payload, signature] = good.split('.') as [string, string, string]
  const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'ci-7', exp: seconds(300) }
  const hmac = `${encoded({ alg: 'HS256', kid: 'key-1' })}.${encoded(claims)}`
  const keyText = await (await fetch(from.jwks)).text()
  const bad = {
    expired: await from.token({ exp: seconds(-31) }),
    'not yet valid': await from.token({ nbf: seconds(60) }),
    'without an end': await from.token({ exp: undefined }),
    'for another audience': await from.token({ aud: 'other' }),
    'by another issuer': await from.token({ iss: 'https://evil.example' }),
    'signed by another key of the same id': await stranger.token(),
    'without a subject': await from.token({ sub: undefined }),
    'with a subject that is no name': await from.token({ sub: 'a\nb' }),
    'with other claims under the signature': `${header}.${encoded({ ...claims, sub: 'root' })}.${signature}`,
    'with alg none': `${encoded({ alg: 'none' })}.${payload}.`,
    'with alg none and a signature': `${encoded({ alg: 'none', kid: 'key-1' })}.${payload}.${signature}`,
    'signed with the public key as a secret': `${hmac}.${createHmac('sha256', keyText).update(hmac).digest('base64url')}`,
    'with its own key': `${encoded({ alg: 'ES256', jwk: {}, jku: 'http://evil.example/' })}.${payload}.${signature}`,
    'no token': 'opaque',
    nothing: '',
  }
  for (const [what, token] of Object.entries(bad)) assert.equal(await identify(token), undefined, what)
  assert.equal(await identify(good), 'ci-7')
  assert.equal(await identify(await from.token({ exp: seconds(-10) })), 'ci-7', 'clocks differ a little')
})

test('keys are fetched once, and strangers’ key ids do not fetch them again and again', async () => {
  await using from = await issuer()
  await using set = verifier(from)
  const { identify } = set
  const all = await Promise.all(Array.from({ length: 20 }, async () => identify(await from.token())))
  assert.deepEqual(new Set(all), new Set(['ci-7']))
  assert.equal(from.asked, 1)
  for (let i = 0; i < 20; i++) {
    assert.equal(await identify(await from.token({}, { kid: `made-up-${i}` })), undefined)
  }
  assert.equal(from.asked, 1)
})

test('a new key is fetched when it is first seen, after the cool-down', async (t) => {
  await using from = await issuer()
  await using set = verifier(from)
  const { identify } = set
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  assert.equal(await identify(await from.token()), 'ci-7')
  await from.rotate()
  t.mock.timers.setTime(Date.now() + 31_000)
  assert.equal(await identify(await from.token()), 'ci-7')
  assert.equal(from.asked, 2)
})

test('while the issuer is out of order its last keys hold, and it is not asked at every request', async (t) => {
  await using from = await issuer()
  await using set = verifier(from)
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  assert.equal(await set.identify(await from.token()), 'ci-7')
  from.answer = { status: 503, body: '' }
  t.mock.timers.setTime(Date.now() + 3_600_000)
  for (let i = 0; i < 10; i++) assert.equal(await set.identify(await from.token()), 'ci-7')
  assert.equal(from.asked, 2)
  assert.equal(set.failures.length, 1)
})

test('without any keys nobody can tell: no answer, an endless one, a redirect, one that is no key set', async () => {
  for (const answer of [
    { status: 503, body: '' },
    { status: 302, body: '' },
    { status: 200, body: 'x'.repeat(300 * 1024) },
    { status: 200, body: '<html>' },
    { status: 200, body: '{}' },
  ]) {
    await using from = await issuer()
    from.answer = answer
    await using set = verifier(from)
    for (let i = 0; i < 5; i++) await assert.rejects(set.identify(await from.token()), cannotTell)
    assert.ok(from.asked <= 5, `${from.asked} requests`)
  }
})
