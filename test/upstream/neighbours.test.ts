/** What replicas tell each other of an upstream that is out: evidence, and no verdict. */
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { isRegistryError, RegistryError } from '../../src/oci/errors.ts'
import { OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { type OpenUpstream, openUpstream } from '../../src/upstream/open-upstream.ts'
import { hostHealth } from '../../src/upstream/resilience/host-health.ts'
import { repositoryOutages } from '../../src/upstream/resilience/repository-outages.ts'
import { blackHole } from '../support/black-hole.ts'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { eventually, manifestOf } from '../support/fixtures.ts'
import { relay } from '../support/relay.ts'
import { assertFails } from './setup.ts'

const telemetry = {
  answered() {},
  denied() {},
  credentials() {},
  received() {},
  rateLimit() {},
  circuit() {},
}

interface Replica {
  readonly upstream: OpenUpstream
  readonly told: string[]
}

/** Replicas that reach the upstream at these addresses, and hear each other. */
function replicasAt(...urls: readonly string[]): readonly Replica[] & AsyncDisposable {
  const replicas: Replica[] = urls.map((url) => {
    const told: string[] = []
    const upstream = openUpstream({
      name: 'up',
      url,
      telemetry,
      env: {},
      timeouts: { connect: 1_000, headers: 2_000, idle: 5_000 },
      reloadFailed: (problem) => assert.fail(String(problem)),
      neighbours: {
        mayProbe: async () => true,
        tell(outage) {
          told.push(`${outage.what} ${outage.isOut ? 'out' : 'back'}`)
          for (const other of replicas) if (other.upstream !== upstream) other.upstream.heard(outage)
        },
      },
    })
    return { upstream, told }
  })
  return Object.assign(replicas, {
    async [Symbol.asyncDispose]() {
      await Promise.all(replicas.map(({ upstream }) => upstream.close()))
    },
  })
}

const resolve = ({ upstream }: Replica, repository = 'app') => upstream.repository(repository).resolve('v1')

suite('SEC-72: an upstream that a replica finds to be out', () => {
  test('is known to be out by the others, which have not made a client wait', async () => {
    await using hole = await blackHole()
    await using replicas = replicasAt(hole.url, hole.url, hole.url)
    const [first, ...others] = replicas
    await assertFails(resolve(first!), 'UPSTREAM_TIMEOUT')
    await eventually(() => replicas.every(({ upstream }) => upstream.status.state === 'out'), 10_000)
    for (const other of others) {
      const begun = performance.now()
      await assertFails(resolve(other), 'UPSTREAM_TIMEOUT')
      assert.ok(performance.now() - begun < 200)
      // Nobody repeats what it was told.
      assert.deepEqual(other.told, [])
    }
  })

  test('is asked by the others as before when the network of that replica alone is broken', async () => {
    await using fake = await fakeUpstream()
    await using hole = await blackHole()
    fake.addManifest('app', 'v1', manifestOf([]), OCI_MANIFEST)
    await using replicas = replicasAt(hole.url, fake.url)
    const [broken, well] = replicas
    const failures: unknown[] = []
    const pulls = setInterval(() => void resolve(well!).catch((error: unknown) => failures.push(error)), 20)
    try {
      await assertFails(resolve(broken!), 'UPSTREAM_TIMEOUT')
      assert.equal(broken!.upstream.status.state, 'out')
      assert.ok(await resolve(well!))
      assert.equal(well!.upstream.status.state, 'up')
    } finally {
      clearInterval(pulls)
    }
    assert.deepEqual([failures, well!.told], [[], []])
  })

  test('is pinged once by an idle one, and used again at once when another finds it back', async () => {
    await using fake = await fakeUpstream()
    await using hole = await blackHole()
    for (const name of ['app', 'other']) fake.addManifest(name, 'v1', manifestOf([]), OCI_MANIFEST)
    await using way = await relay(Number(new URL(hole.url).port))
    await using replicas = replicasAt(way.url, way.url)
    const [one, other] = replicas
    await assertFails(resolve(one!), 'UPSTREAM_TIMEOUT')
    await eventually(() => other!.upstream.status.state === 'out', 10_000)
    way.target = Number(new URL(fake.url).port)
    await eventually(() => replicas.every(({ upstream }) => upstream.status.state === 'up'), 20_000)
    // What failed is asked for again later.
    assert.ok(await resolve(one!, 'other'))
    assert.ok(await resolve(other!))
    assert.equal([...one!.told, ...other!.told].filter((told) => told === 'host back').length, 1)
  })
})

/** The health of a host whose clock, pings and turns are the test's. */
function healthOf(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  const told: boolean[] = []
  const pings: PromiseWithResolvers<void>[] = []
  const turns: number[] = []
  let isMine = true
  const health = hostHealth({
    ping() {
      pings.push(Promise.withResolvers())
      return pings.at(-1)!.promise
    },
    changed() {},
    neighbours: {
      tell: (isOut) => void told.push(isOut),
      mayProbe: async (milliseconds) => (turns.push(milliseconds), isMine),
    },
    now: Date.now,
  })
  t.after(() => health.close())
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 8; i++) await Promise.resolve()
  }
  return {
    health,
    told,
    pings,
    turns,
    takeTurns: (own: boolean) => void (isMine = own),
    async wait(milliseconds: number) {
      t.mock.timers.tick(milliseconds)
      await settle()
    },
    async refuse(isPing = true) {
      health.failed(new RegistryError('UPSTREAM_UNAVAILABLE', { reason: 'ECONNREFUSED' }), {
        isPing,
        milliseconds: 1,
      })
      if (isPing) pings.at(-1)!.reject(new Error('refused'))
      await settle()
    },
  }
}

suite('the host of an upstream, with replicas', () => {
  test('is pinged by the replica whose turn it is; by each after two minutes', async (t) => {
    const { told, pings, turns, takeTurns, wait, refuse } = healthOf(t)
    await wait(1_000_000)
    for (let i = 0; i < 5; i++) await refuse(false)
    assert.deepEqual(told, [true])
    await wait(2_000)
    assert.deepEqual([pings.length, turns], [1, [4_000]])
    await refuse()
    takeTurns(false)
    for (const open of [4_000, 8_000, 16_000, 32_000]) await wait(open)
    assert.equal(pings.length, 1, 'others ping')
    await wait(60_000)
    assert.equal(pings.length, 2)
  })

  test('one failed ping confirms what another tells; it pings for them every two seconds at most', async (t) => {
    const { health, told, pings, wait, refuse } = healthOf(t)
    await wait(1_000_000)
    health.heard(true)
    health.heard(true)
    assert.equal(pings.length, 1)
    health.check()
    await refuse()
    assert.throws(
      () => health.check(),
      (error) => isRegistryError(error, 'UPSTREAM_UNAVAILABLE'),
    )
    assert.deepEqual(told, [])
    health.heard(false)
    assert.equal(pings.length, 1)
    await wait(1_999)
    health.heard(true)
    assert.equal(pings.length, 1, 'it is out here already')
    await wait(1)
    await refuse()
    health.heard(false)
    assert.equal(pings.length, 3)
    health.responded()
    health.check()
    assert.deepEqual(told, [])
  })

  test('what is told too soon is looked at later', async (t) => {
    const { health, pings, wait, refuse } = healthOf(t)
    await wait(1_000_000)
    health.heard(true)
    health.responded()
    pings[0]!.resolve()
    await wait(1_500)
    health.heard(true)
    assert.equal(pings.length, 1)
    await wait(1_000)
    assert.equal(pings.length, 2)
    await refuse()
    assert.throws(() => health.check())
  })

  test('is pinged a second later when it has just answered here, unless it answers again until then', async (t) => {
    const { health, pings, wait, refuse } = healthOf(t)
    await wait(1_000_000)
    health.responded()
    health.heard(true)
    assert.equal(pings.length, 0)
    await wait(500)
    health.responded()
    await wait(10_000)
    assert.equal(pings.length, 0)
    health.responded()
    health.heard(true)
    await wait(1_000)
    assert.equal(pings.length, 1)
    await refuse()
    assert.throws(() => health.check())
  })
})

test('a kind of request that is out elsewhere is out here after one failure, and not after a success', async () => {
  let now = 0
  const told: boolean[] = []
  const fails = async (): Promise<never> => {
    now += 2_000
    throw new RegistryError('UPSTREAM_TIMEOUT')
  }
  const outages = repositoryOutages({ changed() {}, tell: (isOut) => void told.push(isOut), now: () => now })
  const ask = (repository: string, task: () => Promise<unknown>) =>
    outages.run(repository, task).catch(String)
  outages.heard(true)
  assert.equal(await ask('a', async () => 'well'), 'well')
  await ask('b', fails)
  assert.equal(await ask('b', async () => 'still asked'), 'still asked')
  outages.heard(true)
  await ask('b', fails)
  const asking = Array.from({ length: 5 }, (_, i) =>
    ask(`c${i}`, () => new Promise((done) => setImmediate(done, 'probe'))),
  )
  assert.deepEqual(
    (await Promise.all(asking)).map((answer) => answer === 'probe'),
    [true, true, true, true, false],
  )
  assert.deepEqual(told, [false])
  outages.heard(true)
  now += 60_000
  await ask('b', fails)
  assert.equal(await ask('b', async () => 'still asked'), 'still asked')
})
