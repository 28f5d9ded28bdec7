/** How clouds are asked: where, in what time, and what is told of it. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { cloudExchange, type ExchangeRequest } from '../../../src/upstream/credentials/cloud/exchange.ts'
import type { CredentialProblem } from '../../../src/upstream/credentials/credential-problem.ts'
import { proxiesFrom } from '../../../src/upstream/net/proxy-environment.ts'
import { systemTrust } from '../../../src/upstream/net/trust-store.ts'
import { answer, fakeCloud, text } from '../../support/clouds/fake-cloud.ts'

const HOST = 'sts.eu-central-1.amazonaws.com'

async function setting(t: TestContext) {
  const cloud = await fakeCloud(t, HOST)
  const stop = new AbortController()
  const exchange = cloudExchange({
    trust: systemTrust({ env: cloud.env, failed: () => {} }),
    proxyFor: proxiesFrom({ ...cloud.env, HTTP_PROXY: cloud.env['HTTPS_PROXY'] }),
    signal: stop.signal,
  })
  const ask = (request: Partial<ExchangeRequest> & { readonly url: URL }) =>
    exchange({ step: 'a token', ...request })
  const reasonOf = (request: Parameters<typeof ask>[0]): Promise<string> =>
    ask(request).then(
      () => assert.fail('answered'),
      (error: CredentialProblem) => [error.message, error.advice].filter(Boolean).join(': '),
    )
  return { cloud, stop, ask, reasonOf }
}

test('SEC-97 nothing is asked for without TLS but of this machine and its host', async (t) => {
  const { cloud, reasonOf } = await setting(t)
  for (const host of [
    '10.0.0.1',
    'sts.amazonaws.com',
    '8.8.8.8',
    '[fd00::1]',
    'metadata.google.internal',
    '127.0.0.1.nip.io',
  ]) {
    assert.equal(
      await reasonOf({ url: new URL(`http://${host}/`) }),
      `a token is not asked for at ${host} without TLS`,
    )
  }
  assert.deepEqual(cloud.asked(), [])
})

test('SEC-97 a metadata service is never asked through a proxy, and a service of a cloud is', async (t) => {
  const { cloud, ask } = await setting(t)
  cloud.respond = () => text('yes')
  cloud.hosts.set(HOST, () => text('yes'))
  await ask({ url: new URL(`${cloud.metadata.url}/`) })
  assert.deepEqual(cloud.asked(), [])
  await ask({ url: new URL(`https://${HOST}/`) })
  assert.deepEqual(cloud.asked(), [`${HOST}:443`])
})

test('SEC-97 a certificate of another name or authority ends the question before it is sent', async (t) => {
  const { cloud, reasonOf } = await setting(t)
  const reason = await reasonOf({
    url: new URL('https://sts.other.example/'),
    body: 'secret',
    method: 'POST',
  })
  assert.equal(reason, 'a token: sts.other.example cannot be asked (ERR_TLS_CERT_ALTNAME_INVALID)')
  assert.equal(cloud.services.requests.length, 0)
})

test('SEC-97 a redirect is not followed', async (t) => {
  const { cloud, reasonOf } = await setting(t)
  const location = `${cloud.metadata.url}/elsewhere`
  cloud.hosts.set(HOST, () => ({ ...text(''), status: 307, headers: { Location: location } }))
  assert.equal(await reasonOf({ url: new URL(`https://${HOST}/`) }), `a token: ${HOST} answers 307`)
  assert.equal(cloud.metadata.requests.length, 0)
})

test('SEC-97 an endless answer is cut, and its text is never told', async (t) => {
  const { cloud, reasonOf } = await setting(t)
  const url = new URL(`https://${HOST}/`)
  cloud.hosts.set(HOST, () => text('x'.repeat(65 * 1024)))
  assert.equal(await reasonOf({ url }), `a token: ${HOST} answers more than 64 KiB`)
  cloud.hosts.set(HOST, () => answer(400, { error: 'a secret, or anything else' }))
  assert.equal(await reasonOf({ url }), `a token: ${HOST} answers 400`)
})

test('FR-51 what may pass is tried three times: 429, 5xx, and a connection that breaks', async (t) => {
  const { cloud, ask, reasonOf } = await setting(t)
  const url = new URL(`https://${HOST}/`)
  const statuses = [429, 503, 200]
  cloud.hosts.set(HOST, () => ({ ...text('yes'), status: statuses.shift()! }))
  assert.equal((await ask({ url })).text, 'yes')
  cloud.hosts.set(HOST, () => answer(500, { __type: 'com.amazonaws.sts#InternalFailure' }))
  assert.equal(await reasonOf({ url }), `a token: ${HOST} answers 500 InternalFailure`)
  assert.equal(cloud.services.requests.length, 6)
  cloud.respond = () => text('yes')
  cloud.metadata.on('/', { atByte: { k: 1, then: 'reset' } })
  assert.equal((await ask({ url: new URL(`${cloud.metadata.url}/`) })).text, 'yes')
})

test('FR-51 a refusal tells that the clock of this machine is wrong, if it is', async (t) => {
  const { cloud, reasonOf } = await setting(t)
  const date = new Date(Date.now() - 12 * 60_000).toUTCString()
  cloud.hosts.set(HOST, () => {
    const { headers, ...rest } = answer(400, { __type: 'InvalidSignatureException' })
    return { ...rest, headers: { ...headers, Date: date } }
  })
  assert.equal(
    await reasonOf({ url: new URL(`https://${HOST}/`), advice: 'check the keys' }),
    `a token: ${HOST} answers 400 InvalidSignatureException (the clock of this machine is 12 minutes off): check the keys`,
  )
})

test('FR-51 a service that says nothing holds nobody for ever, and an end is an end', async (t) => {
  const { cloud, stop, reasonOf } = await setting(t)
  cloud.metadata.on('/', { delayMs: Infinity, times: 9 })
  const asked = reasonOf({ url: new URL(`${cloud.metadata.url}/`) })
  setTimeout(() => stop.abort(), 100)
  assert.match(await asked, /does not answer in time$/)
})
