import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { UpstreamTelemetry } from '../../src/ports/telemetry.ts'
import type { TagList } from '../../src/oci/tag-list.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { repositoryCircuits } from '../../src/upstream/resilience/repository-circuits.ts'
import { openUpstream, type OpenUpstreamOptions } from '../../src/upstream/open-upstream.ts'
import { type FakeUpstream, fakeUpstream } from '../support/fake-upstream.ts'
import { faultLink } from '../support/fault-link.ts'
import { blobOf, eventually, manifestOf } from '../support/fixtures.ts'
import { assertFails } from './setup.ts'

const { digest } = blobOf(1000)
const manifest = manifestOf([])

/** An upstream as the configuration opens it, that gives up after 2 s. */
function open(url: string, options: Partial<OpenUpstreamOptions> = {}) {
  const states: string[] = []
  const denied: string[] = []
  const telemetry: UpstreamTelemetry = {
    answered() {},
    denied: (name) => void denied.push(name),
    received() {},
    credentials() {},
    rateLimit() {},
    circuit: (_, state) => void states.push(state),
  }
  const upstream = openUpstream({
    name: 'up',
    url,
    telemetry,
    env: {},
    timeouts: { connect: 1_000, headers: 2_000, idle: 1_000 },
    reloadFailed: (problem) => assert.fail(String(problem)),
    ...options,
  })
  return { upstream, states, denied, [Symbol.asyncDispose]: () => upstream.close() }
}

/** Adds repositories `good0`, … with a tag `v1`. */
function addGood(upstream: FakeUpstream, count: number): void {
  for (let i = 0; i < count; i++) upstream.addManifest(`good${i}`, 'v1', manifest, OCI_MANIFEST)
}

suite('SEC-72 FR-14 F12 a failure is held against whom it happened to', () => {
  test('SEC-72 a path that fails at once shuts itself, and no other repository or kind', async () => {
    await using fake = await fakeUpstream({ referrers: true })
    await using client = open(fake.url)
    addGood(fake, 20)
    fake.addManifest('broken', 'v1', manifest, OCI_MANIFEST)
    fake.on(/^\/v2\/broken\/referrers/, { status: 500, times: Infinity })
    const broken = client.upstream.repository('broken')
    await Promise.all(
      Array.from({ length: 16 }, () => assertFails(broken.referrers(digest), 'UPSTREAM_UNAVAILABLE')),
    )
    const asked = fake.count('GET', /broken\/referrers/)
    for (let i = 0; i < 20; i++) {
      await assertFails(broken.referrers(digest), 'UPSTREAM_UNAVAILABLE', { asked: 'not again yet' })
      assert.ok(await client.upstream.repository(`good${i}`).resolve('v1'))
      assert.deepEqual((await client.upstream.repository(`good${i}`).referrers(digest))?.referrers ?? [], [])
    }
    assert.ok(await broken.resolve('v1'), 'another kind of the same repository')
    assert.equal(fake.count('GET', /broken\/referrers/), asked)
    assert.deepEqual(client.states, ['up'])
  })

  test('SEC-72 a path that hangs shuts itself, however many ask for it', async () => {
    await using fake = await fakeUpstream()
    await using client = open(fake.url)
    addGood(fake, 10)
    fake.on(/^\/v2\/huge\/tags/, { delayMs: Infinity, times: Infinity })
    const huge = client.upstream.repository('huge')
    const hanging = Promise.all(
      Array.from({ length: 10 }, () => assertFails(huge.tags.whole(), 'UPSTREAM_TIMEOUT')),
    )
    for (let i = 0; i < 10; i++) assert.ok(await client.upstream.repository(`good${i}`).resolve('v1'))
    await hanging
    await assertFails(huge.tags.whole(), 'UPSTREAM_TIMEOUT', { asked: 'not again yet' })
    for (let i = 0; i < 10; i++) assert.ok(await client.upstream.repository(`good${i}`).resolve('v1'))
    assert.deepEqual(client.states, ['up'])
  })

  test('SEC-72 any number of requests of a repository that hangs leave places to the others', async () => {
    await using fake = await fakeUpstream()
    await using client = open(fake.url, { timeouts: { connect: 1_000, headers: 5_000 } })
    addGood(fake, 12)
    fake.on(/^\/v2\/huge/, { delayMs: Infinity, times: Infinity })
    const leave = new AbortController()
    const huge = client.upstream.repository('huge')
    const hanging = Array.from({ length: 300 }, (_, i) => huge.resolve(`t${i}`, leave.signal))
    await eventually(() => fake.count('HEAD', /huge/) === 48)
    const began = performance.now()
    await Promise.all(
      Array.from({ length: 12 }, (_, i) => client.upstream.repository(`good${i}`).resolve('v1')),
    )
    assert.ok(performance.now() - began < 1_000, 'the others did not wait')
    // Silent ones give their places away, within bounds.
    await eventually(() => fake.count('HEAD', /huge/) > 48)
    leave.abort()
    await Promise.allSettled(hanging)
    assert.ok(fake.count('HEAD', /huge/) <= 256)
    assert.ok(await client.upstream.repository('good0').resolve('v1'))
  })

  test('SEC-72 blobs that hang elsewhere shut neither manifests nor blobs of others', async () => {
    await using fake = await fakeUpstream()
    await using client = open(fake.url)
    addGood(fake, 3)
    fake.on(/^\/v2\/bad\/blobs/, { delayMs: Infinity, times: Infinity })
    const good = fake.addBlob(Buffer.from('good'))
    await assertFails(client.upstream.repository('bad').blob(digest), 'UPSTREAM_TIMEOUT')
    assert.ok(await client.upstream.repository('good0').resolve('v1'))
    const body = await client.upstream.repository('good1').blob(good)
    await body![Symbol.asyncIterator]().return!()
    assert.deepEqual(client.states, ['up'])
  })

  test('SEC-72 any number of callers that leave before an answer shut nothing', async () => {
    await using fake = await fakeUpstream()
    await using client = open(fake.url, { timeouts: { connect: 1_000, headers: 10_000 } })
    fake.on(/blobs/, { delayMs: Infinity, times: 12 })
    const good = blobOf(1000, 2)
    fake.addBlob(good.bytes)
    for (let i = 0; i < 12; i++) {
      const leave = new AbortController()
      const asking = client.upstream.repository('app').blob(digest, undefined, leave.signal)
      await eventually(() => fake.count('GET', /blobs/) === i + 1)
      leave.abort(new RegistryError('UPSTREAM_UNAVAILABLE', { upstream: 'up', reason: 'no readers left' }))
      await assertFails(asking, 'UPSTREAM_UNAVAILABLE', { reason: 'no readers left' })
    }
    const body = await client.upstream.repository('app').blob(good.digest)
    await body![Symbol.asyncIterator]().return!()
    assert.deepEqual(client.states, ['up'])
  })

  test('SEC-72 several repositories whose tag lists hang shut tag lists, until a list of another comes', async () => {
    await using fake = await fakeUpstream()
    await using client = open(fake.url)
    addGood(fake, 6)
    fake.on(/^\/v2\/slow\d\/tags/, { delayMs: Infinity, times: Infinity })
    const listed = (name: string) => client.upstream.repository(name).tags.whole()
    await Promise.all([0, 1, 2, 3].map((i) => assertFails(listed(`slow${i}`), 'UPSTREAM_TIMEOUT')))
    assert.deepEqual(client.states, ['up', 'out'])
    assert.ok(await client.upstream.repository('good0').resolve('v1'), 'another kind')
    // The failing ones cannot keep the others out.
    await Promise.all([0, 1, 2, 3].map((i) => assertFails(listed(`slow${i}`), 'UPSTREAM_TIMEOUT')))
    assert.equal(String(((await listed('good1')) as TagList).text), '"v1"')
    assert.deepEqual(client.states, ['up', 'out', 'up'])
    assert.equal(client.upstream.status.state, 'up')
  })

  test('SEC-72 what fails is remembered in bounds', async () => {
    const circuits = repositoryCircuits(() => 0)
    let asked = 0
    const fail = async (repository: string): Promise<void> => {
      const failing = circuits.run(repository, 'tags', async () => {
        asked += 1
        throw new RegistryError('UPSTREAM_TIMEOUT', { upstream: 'up' })
      })
      await assertFails(failing, 'UPSTREAM_TIMEOUT')
    }
    for (let i = 0; i < 10_000; i++) await fail(`r${i}`)
    assert.equal(asked, 10_000)
    await fail('r9999')
    assert.equal(asked, 10_000, 'the latest is remembered')
    await fail('r0')
    assert.equal(asked, 10_001, 'the oldest is not')
  })
})

suite('SEC-72 F12 F14 a host that cannot be reached is out as a whole', () => {
  test('F1 F12 nobody listens: refused after five failures, and found again by a ping of its own', async () => {
    await using fake = await fakeUpstream()
    await using client = open(fake.url)
    addGood(fake, 10)
    await fake.stop()
    // Each request is sent twice.
    for (let i = 0; i < 3; i++) {
      await assertFails(client.upstream.repository(`good${i}`).resolve('v1'), 'UPSTREAM_UNAVAILABLE')
    }
    assert.deepEqual(client.states, ['up', 'out'])
    assert.equal(client.upstream.status.reason?.['reason'], 'ECONNREFUSED')
    await assertFails(client.upstream.repository('good9').resolve('v1'), 'UPSTREAM_UNAVAILABLE', {
      asked: 'not again yet',
    })
    await fake.start()
    const began = performance.now()
    const herd = Array.from({ length: 500 }, (_, i) =>
      assertFails(client.upstream.repository(`herd${i}`).resolve('v1'), 'UPSTREAM_UNAVAILABLE', {
        asked: 'not again yet',
      }),
    )
    await Promise.all(herd)
    assert.ok(performance.now() - began < 1_000, 'refused at once')
    await eventually(() => client.states.at(-1) === 'up', 20_000)
    assert.deepEqual(
      fake.requests.map(({ target }) => target),
      ['/v2/'],
    )
    assert.ok(await client.upstream.repository('good9').resolve('v1'))
  })

  test('F5 F12 a host that accepts and is silent is out by the time the first request is given up', async () => {
    await using fake = await fakeUpstream()
    await using client = open(fake.url)
    fake.on(/./, { delayMs: Infinity, times: Infinity })
    await assertFails(client.upstream.repository('a').resolve('v1'), 'UPSTREAM_TIMEOUT')
    assert.deepEqual(client.states, ['up', 'out'])
    const asked = fake.requests.length
    await assertFails(client.upstream.repository('b').blob(digest), 'UPSTREAM_TIMEOUT', {
      asked: 'not again yet',
    })
    assert.equal(fake.requests.length, asked)
  })

  test('a host that cuts off every request is out, one that cuts off some paths is not', async () => {
    await using fake = await fakeUpstream()
    await using link = await faultLink(fake.url, { resetAtByte: 1 })
    await using cut = open(link.url)
    for (let i = 0; i < 50 && cut.upstream.status.state === 'up'; i++) {
      await assertFails(cut.upstream.repository(`r${i}`).resolve('v1'), 'UPSTREAM_UNAVAILABLE')
    }
    assert.equal(cut.upstream.status.state, 'out')
    await using well = open(fake.url)
    addGood(fake, 1)
    fake.on(/^\/v2\/bad/, {
      body: '{"tags":[]}',
      status: 200,
      atByte: { k: 1, then: 'reset' },
      times: Infinity,
    })
    for (let i = 0; i < 10; i++) {
      await assertFails(well.upstream.repository(`bad${i}`).tags.whole(), 'UPSTREAM_UNAVAILABLE')
    }
    assert.ok(await well.upstream.repository('good0').resolve('v1'))
    assert.deepEqual(well.states, ['up'])
  })

  test('F10 a limit pauses all of the upstream but blobs, and says so', async () => {
    await using fake = await fakeUpstream()
    await using client = open(fake.url)
    addGood(fake, 2)
    const good = fake.addBlob(Buffer.from('good'))
    fake.on(/tags/, { status: 429, headers: { 'Retry-After': '30' } })
    await assertFails(client.upstream.repository('good0').tags.whole(), 'UPSTREAM_LIMITED')
    assert.deepEqual(client.states, ['up', 'limited'])
    await assertFails(client.upstream.repository('good1').resolve('v1'), 'UPSTREAM_LIMITED', {
      asked: 'not again yet',
    })
    await (await client.upstream.repository('good1').blob(good))![Symbol.asyncIterator]().return!()
  })

  test('a denial is counted once it is final', async () => {
    await using fake = await fakeUpstream()
    await using client = open(fake.url)
    fake.on(/tags/, { status: 403 })
    await assertFails(client.upstream.repository('a').tags.whole(), 'UPSTREAM_DENIED')
    assert.deepEqual(client.denied, ['up'])
  })
})
