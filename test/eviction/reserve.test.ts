import assert from 'node:assert/strict'
import { test } from 'node:test'
import { evictor } from '../../src/eviction/evictor.ts'
import { type Reservation, Reservations } from '../../src/eviction/reservations.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import type { UpstreamInventory } from '../../src/ports/metadata.ts'
import { memoryStore } from '../support/memory-store.ts'

test('a reservation of a share is given back when the store cannot tell its usage', async (t) => {
  const open = new Set<Reservation>()
  const add = Reservations.prototype.add
  t.mock.method(
    Reservations.prototype,
    'add',
    function (this: Reservations, ...args: Parameters<typeof add>) {
      const reservation = add.apply(this, args)
      const dispose = reservation[Symbol.dispose]
      open.add(reservation)
      reservation[Symbol.dispose] = () => {
        open.delete(reservation)
        dispose()
      }
      return reservation
    },
  )
  const store = memoryStore()
  let failures = 0
  const inventory: UpstreamInventory = {
    usageByUpstream: async () => new Map([['small.example', { objects: 1, bytes: 10 }]]),
    longestUnusedOf: async () => [],
    unlink: async () => {},
  }
  const { reserve } = evictor({
    store: store.blobs,
    inventory: {
      ...store.inventory,
      async usage() {
        if (failures === 0) return store.inventory.usage()
        failures -= 1
        throw new RegistryError('STORAGE', { operation: 'usage', reason: 'SQLITE_BUSY' })
      },
    },
    partials: { sweep: async () => {}, evict: async () => 0 },
    tags: { removeUnusedSince: async () => 0 },
    policy: { ttl: 60_000, ttlFrom: 'use', maxSize: 1e6, minFree: 0 },
    shares: { limits: () => new Map([['small.example', 1000]]), inventory },
    pinned: async () => new Set(),
    isNearlyExhausted: () => false,
    isOut: () => false,
    telemetry: { evicted() {} },
    now: Date.now,
  })
  failures = 3
  for (let i = 0; i < 3; i++) await assert.rejects(reserve(10, 'small.example'), { code: 'STORAGE' })
  assert.equal(open.size, 0)
  const taken = await reserve(10, 'small.example')
  assert.ok(typeof taken !== 'string')
  assert.equal(open.size, 2)
  taken[Symbol.dispose]()
  assert.equal(open.size, 0)
})
