import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Pool, Room } from '../../src/eviction/room.ts'
import type { Reservation } from '../../src/eviction/reservations.ts'
import type { StoredContent, StoreUsage } from '../../src/ports/metadata.ts'
import { blobOf } from '../support/fixtures.ts'

const PLENTY = { totalBytes: 1e9, freeBytes: 1e9, totalInodes: 1e6, freeInodes: 1e6 }

/** A room of 100 bytes. `asked` is called before the usage is told, `removed` when content has been removed. */
function rig({ asked = () => {}, removed = () => {} }: { asked?: () => void; removed?: () => void } = {}) {
  const pool = { contents: [] as StoredContent[], indexBytes: 0 }
  const store = (size: number): void => {
    const { digest } = blobOf(1, pool.contents.length + 1)
    pool.contents.push({ digest, size, lastUsed: 0, upstreams: [] })
  }
  const usage = async (): Promise<StoreUsage> => {
    asked()
    const bytes = pool.contents.reduce((sum, { size }) => sum + size, 0)
    const { length: objects } = pool.contents
    const nothing = { partialBytes: 0, runningBytes: 0 }
    return { objects, bytes, indexBytes: pool.indexBytes, ...nothing, disk: PLENTY }
  }
  const implementation: Pool = {
    usage,
    longestUnused: async ({ limit }) => pool.contents.slice(0, limit),
    async remove(contents) {
      pool.contents = pool.contents.filter((content) => !contents.includes(content))
      removed()
    },
    removePartials: async () => 0,
  }
  const room = new Room({
    pool: implementation,
    limits: { maxSize: 100, minFree: 0 },
    pinned: async () => new Set(),
    isNearlyExhausted: () => false,
    roomTimeout: 600_000,
    now: () => 1e9,
  })
  return { room, pool, store }
}

async function reserved(room: Room): Promise<Reservation> {
  const reservation = await room.reserve(60)
  assert.ok(typeof reservation !== 'string', String(reservation))
  return reservation
}

for (let at = 1; at <= 12; at++) {
  test(`F53 room that another download commits at the ${at}. look is found and evicted`, async () => {
    let looks = -Infinity
    let commit = (): void => {}
    const { room, store } = rig({
      asked() {
        looks += 1
        if (looks === at) commit()
      },
    })
    const first = await reserved(room)
    assert.equal(await first.grow(60), true)
    const second = await reserved(room)
    commit = () => {
      store(60)
      first[Symbol.dispose]()
    }
    looks = 0
    const growing = second.grow(60)
    // It waits for room unless it has seen the commit.
    await nextTurn()
    if (looks < at) {
      looks = Infinity
      commit()
    }
    assert.equal(await growing, true)
  })
}

test('SEC-73: what the index takes while room is made for it is made room for, too', async () => {
  let growths = 2
  const { room, pool, store } = rig({
    removed() {
      if (growths-- > 0) pool.indexBytes += 20
    },
  })
  for (let i = 0; i < 10; i++) store(10)
  const reservation = await reserved(room)
  assert.equal(await reservation.grow(10), true)
  assert.equal(pool.indexBytes, 40)
})
