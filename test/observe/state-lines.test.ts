/** One line for a change of state, however many requests meet the same trouble. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { type Proxy, startProxy } from '../support/proxy.ts'
import { call } from '../support/raw-client.ts'

const WARN = 40
const REQUESTS = 40

/** The lines that would wake somebody, without what differs from run to run. */
const warnings = ({ log }: Proxy) => log.filter(({ level }) => Number(level) >= WARN)
const messages = (proxy: Proxy) => warnings(proxy).map(({ msg }) => msg)

const addImage = (upstream: FakeUpstream, tag: string, extra: object = {}) =>
  upstream.addManifest('library/app', tag, manifestOf([], extra), OCI_MANIFEST)

const pullTags = (proxy: Proxy) =>
  Promise.all(Array.from({ length: REQUESTS }, (_, i) => call(proxy.port, 'GET', `/v2/app/manifests/t${i}`)))

suite('the log of the whole proxy', { concurrency: true }, () => {
  test('an upstream that goes away and comes back is two lines', async () => {
    await using upstream = await fakeUpstream()
    addImage(upstream, '1')
    await using proxy = await startProxy({ upstream })
    await upstream.stop()
    for (let round = 0; round < 3; round++) await pullTags(proxy)
    const [down, ...more] = warnings(proxy)
    assert.deepEqual(more, [])
    assert.equal(down?.['msg'], 'upstream gets no requests')
    assert.equal(down['upstream'], 'docker.io')
    assert.equal(down['state'], 'out')
    assert.equal(down['said'], 'refuses connections: nothing listens at its address')
    await upstream.start()
    await eventually(() => messages(proxy).includes('upstream is back'), 20_000)
    assert.equal(messages(proxy).length, 2)
    assert.equal((await call(proxy.port, 'GET', '/v2/app/manifests/1')).status, 200)
  })

  for (const scheme of ['bearer', 'basic'] as const) {
    test(`a wrong password is one line, and a right one says nothing (${scheme})`, async () => {
      await using upstream = await fakeUpstream({ auth: { scheme, username: 'ci', password: 'right' } })
      for (let i = 0; i < REQUESTS; i++) addImage(upstream, `t${i}`)
      const login = (password: string) => ({ upstream, upstreamConfig: { username: 'ci', password } })
      await using refused = await startProxy(login('wrong'))
      await pullTags(refused)
      const [line, ...more] = warnings(refused)
      assert.deepEqual(more, [])
      assert.equal(line?.['msg'], 'upstream refuses the credentials')
      assert.match(String(line['said']), /^127\.0\.0\.1:\d+ answers 401$/)
      assert.ok(!JSON.stringify(refused.log).includes('wrong'))
      await using accepted = await startProxy(login('right'))
      const answers = await pullTags(accepted)
      assert.ok(answers.every(({ status }) => status === 200))
      assert.deepEqual(warnings(accepted), [])
    })
  }

  test('a rate limit that is nearly used up is one line', async () => {
    await using upstream = await fakeUpstream()
    for (let i = 0; i < REQUESTS; i++) addImage(upstream, `t${i}`)
    const headers = { 'RateLimit-Limit': '100;w=21600', 'RateLimit-Remaining': '7;w=21600' }
    upstream.on(/manifests/, { headers, times: Infinity })
    await using proxy = await startProxy({ upstream })
    await pullTags(proxy)
    assert.deepEqual(messages(proxy), ['rate limit of upstream is nearly used up'])
    const [line] = warnings(proxy)
    assert.deepEqual([line?.['remaining'], line?.['limit']], [7, 100])
  })

  test('a store without room is one line, and pulls pass through', async () => {
    await using upstream = await fakeUpstream()
    const layers = Array.from({ length: 10 }, (_, i) => blobOf(200_000, i + 1))
    for (const { bytes } of layers) upstream.addBlob(bytes)
    const storage = { root: './data', minFree: 0, maxSize: '100KB' }
    await using proxy = await startProxy({ upstream, config: { storage } })
    for (const { digest } of layers) {
      assert.equal((await call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)).status, 200)
    }
    const lines = warnings(proxy)
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['the store fails, pulls pass through'],
    )
    assert.match(String(lines[0]!['said']), /^the store has no room for it within storage\.maxSize/)
  })

  test('a download that fails again and again is one line a minute', async () => {
    await using upstream = await fakeUpstream()
    const layers = Array.from({ length: 10 }, (_, i) => blobOf(100_000, i + 1))
    for (const { bytes } of layers) upstream.addBlob(bytes)
    upstream.on(/blobs/, { flipByte: 10, times: Infinity })
    await using proxy = await startProxy({ upstream })
    await Promise.allSettled(layers.map(({ digest }) => call(proxy.port, 'GET', `/v2/app/blobs/${digest}`)))
    await eventually(() => warnings(proxy).length > 0)
    assert.deepEqual(messages(proxy), ['a transfer failed'])
  })
})
