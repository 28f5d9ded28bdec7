import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClientRates, networkOf } from '../../src/http/client-rates.ts'
import { eventually } from '../support/fixtures.ts'
import { MemoryRegistry } from '../support/memory-registry.ts'
import { call, RawClient } from '../support/raw-client.ts'
import { serveRegistry } from '../support/registry-server.ts'

const MiB = 1024 * 1024

test('a client waits until its bytes are paid for, all its connections together', () => {
  let now = 10_000
  const rates = new ClientRates(1000, () => now)
  assert.equal(rates.charge('10.0.0.1', 250), 0)
  assert.equal(rates.charge('10.0.0.1', 1000), 1000)
  assert.equal(rates.charge('10.0.0.1', 500), 1500)
  assert.equal(rates.charge('10.0.0.2', 250), 0)
  now += 1500
  assert.equal(rates.charge('10.0.0.1', 100), 100)
})

test('who got nothing for long gets no more than the burst at once', () => {
  let now = 10_000
  const rates = new ClientRates(1000, () => now)
  rates.charge('10.0.0.1', 1)
  now += 3_600_000
  assert.equal(rates.charge('10.0.0.1', 1250), 1000)
})

test('a client is an IPv4 address, or a /64 of IPv6', () => {
  for (const [address, network] of [
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['', ''],
  ] as const) {
    assert.equal(networkOf(address), network)
  }
})

test('clients remembered are bounded', () => {
  const rates = new ClientRates(1000, () => 0)
  rates.charge('first', 5000)
  for (let i = 0; i < 10_000; i++) rates.charge(`10.0.${i >> 8}.${i & 255}`, 5000)
  assert.equal(rates.charge('first', 250), 0)
})

test('blobs reach a client at its rate; it holds no buffer while it waits; one that leaves is forgotten', async () => {
  const registry = new MemoryRegistry()
  const bytes = Buffer.alloc(2 * MiB, 'x')
  const digest = registry.addBlob(bytes)
  await using server = await serveRegistry(registry, { rates: new ClientRates(2 * MiB) })
  const path = `/v2/library/app/blobs/${digest}`
  const begun = performance.now()
  const { body } = await call(server.port, 'GET', path)
  assert.ok(body.equals(bytes))
  // A second's worth, but for the burst and the last piece, which nobody waits for.
  const took = performance.now() - begun
  assert.ok(took >= 450, `${took} ms`)

  using client = await RawClient.connect(server.port)
  client.request('GET', path)
  await client.received(1)
  client.socket.destroy()
  await eventually(() => registry.openNow === 0)
})
