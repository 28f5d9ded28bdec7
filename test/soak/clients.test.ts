import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { type Clients, clients } from './clients.ts'
import { type World, world as createWorld } from './world.ts'

/** The soak's judges in front of a server that answers as `listener` does, which stands in for the proxy. */
async function judging(
  listener: (world: World) => RequestListener,
  run: (crowd: Clients, world: World) => Promise<void>,
): Promise<readonly string[]> {
  await using upstream = await fakeUpstream()
  const random = seededRandom(1)
  const world = createWorld(upstream, random)
  const violations: string[] = []
  const proxy = createServer(listener(world)).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const crowd = clients({
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    world,
    random,
    phase: () => 'recovery',
    latestFaults: () => [],
    violated: (what) => violations.push(what),
  })
  try {
    await run(crowd, world)
  } finally {
    proxy.closeAllConnections()
    proxy.close()
    await once(proxy, 'close')
  }
  return violations
}

const WRONG = Buffer.alloc(40_000)
const large = ({ blobs }: World) => blobs.find(({ bytes }) => bytes.length > 500_000)!

/**
 * The soak once took stale answers for a recovery: calm began while the circuit of tags was still open, and
 * `t13 was still version 36 of 38 after 14869 ms` was the judge's mistake, not the proxy's.
 */
test('a stale answer is no recovery', async () => {
  let cacheStatus = 'entrepot; hit; ttl=-14; detail=stale-if-error'
  await judging(
    () => (_, answer) => answer.writeHead(200, { 'Cache-Status': cacheStatus }).end('{}'),
    async (crowd) => {
      assert.equal(await crowd.pullTag('t13'), false)
      cacheStatus = 'entrepot; fwd=stale; fwd-status=200'
      assert.equal(await crowd.pullTag('t13'), true)
    },
  )
})

/**
 * Upstream may announce more than there is, as for a blob in gzip. The last bytes of that are withheld.
 * `wrong bytes at 2334582+746392 (broken off)` ended 32 KiB before the end of the gzip body, to the byte.
 */
for (const [what, beyond] of Object.entries({ 'up to the withheld end': 0, 'of the withheld end': 1 })) {
  test(`wrong bytes ${what} of a blob that upstream makes longer are ${beyond ? 'a' : 'no'} violation`, async () => {
    const violations = await judging(
      (world) => (_, answer) => {
        const { bytes } = large(world)
        answer.writeHead(200, { 'Content-Length': bytes.length + 1_000 })
        answer.write(Buffer.alloc(bytes.length + 1_000 - 32 * 1024 + beyond), () => answer.destroy())
      },
      async (crowd, world) => {
        world.lie(large(world))
        assert.equal(await crowd.pull(large(world)), false)
      },
    )
    assert.equal(violations.length, beyond, violations.join('\n'))
  })
}

/**
 * A reader may begin before upstream lies, be sent the lie, and end when another has pulled the blob whole.
 * `wrong bytes at 0+328545 (left)` of a blob of 503,222 bytes was of this kind.
 */
test('a blob that upstream lied about while it was read was in doubt, though it is trusted by the end', async () => {
  const violations = await judging(
    (world) => (_, answer) => {
      const blob = large(world)
      world.lie(blob)
      answer.writeHead(200, { 'Content-Length': blob.bytes.length })
      answer.write(WRONG, () => {
        world.trust(blob)
        answer.destroy()
      })
    },
    async (crowd, world) => assert.equal(await crowd.pull(large(world)), false),
  )
  assert.deepEqual(violations, [])
})

test('wrong bytes of a blob that upstream never lied about are a violation', async () => {
  const violations = await judging(
    (world) => (_, answer) => {
      answer.writeHead(200, { 'Content-Length': large(world).bytes.length })
      answer.write(WRONG, () => answer.destroy())
    },
    async (crowd, world) => assert.equal(await crowd.pull(large(world)), false),
  )
  assert.match(violations.join('\n'), /^recovery: wrong bytes at 0\+40000 of sha256:\w+ \(broken off\)/)
})
