import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { fakeUpstream } from '../support/fake-upstream.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { clients } from './clients.ts'
import { world as createWorld } from './world.ts'

/**
 * The soak once took stale answers for a recovery: calm began while the circuit of tags was still open, and
 * `t13 was still version 36 of 38 after 14869 ms` was the judge's mistake, not the proxy's.
 */
test('a stale answer is no recovery', async () => {
  await using upstream = await fakeUpstream()
  const random = seededRandom(1)
  const world = createWorld(upstream, random)
  let cacheStatus = 'entrepot; hit; ttl=-14; detail=stale-if-error'
  const proxy = createServer((_, answer) =>
    answer.writeHead(200, { 'Cache-Status': cacheStatus }).end('{}'),
  ).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const crowd = clients({
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    world,
    random,
    phase: () => 'recovery',
    latestFaults: () => [],
    violated: () => {},
  })

  assert.equal(await crowd.pullTag('t13'), false)
  cacheStatus = 'entrepot; fwd=stale; fwd-status=200'
  assert.equal(await crowd.pullTag('t13'), true)
  proxy.closeAllConnections()
  proxy.close()
  await once(proxy, 'close')
})
