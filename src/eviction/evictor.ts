import { setTimeout as delay } from 'node:timers/promises'
import type { Digest } from '../oci/digest.ts'
import type { BlobStore } from '../ports/blob-store.ts'
import type { ContentInventory, StoredContent, TagIndex } from '../ports/metadata.ts'
import type { StoreTelemetry } from '../ports/telemetry.ts'
import { mutex } from '../util/mutex.ts'
import { couldFit, excessBytes, type EvictionPolicy, victims } from './eviction-policy.ts'
import { type Reservation, Reservations } from './reservations.ts'

export interface Evictor {
  /** Evicts content that has expired, and content that exceeds the limits. */
  sweep(): Promise<void>
  /**
   * Reserves room, and evicts for it. It waits up to `roomTimeout` for room that others have reserved. It
   * evicts nothing for content that would not fit all the same.
   *
   * @returns undefined when there is no room
   */
  reserve(size: number): Promise<Reservation | undefined>
  /** Evicts until `bytes` more are free on the disk. @returns false when nothing could be evicted */
  makeRoom(bytes: number): Promise<boolean>
}

export interface EvictorOptions {
  readonly store: Pick<BlobStore, 'delete'>
  readonly inventory: ContentInventory
  readonly tags: Pick<TagIndex, 'removeUnusedSince'>
  readonly policy: EvictionPolicy
  /** Content that is never evicted. */
  readonly pinned: () => Promise<ReadonlySet<Digest>>
  /** Whether an upstream is about to limit us, so that fetching from it again is expensive. */
  readonly isNearlyExhausted: (upstream: string) => boolean
  readonly telemetry: Pick<StoreTelemetry, 'evicted'>
  /**
   * Milliseconds that a download waits for room that others have reserved. A download that gets none is not
   * shared: each of its readers downloads for itself.
   */
  readonly roomTimeout?: number
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Objects evicted in one go. Others get their turn between two, and the order is computed again. */
const BATCH = 32
/** Candidates of each size class, of which a batch is chosen. */
const CANDIDATES = 64
/** Batches that a download waits for, less than a second together. The next sweep evicts the rest. */
const BATCHES = 32
const ROOM_TIMEOUT = 3_000

export function evictor(options: EvictorOptions): Evictor {
  const { store, inventory, tags, policy, pinned, isNearlyExhausted, telemetry, now } = options
  const reservations = new Reservations()
  // Two evictions at once would both take the same room, or both evict for it.
  const oneAtATime = mutex()

  return {
    async sweep() {
      await expire()
      while ((await oneAtATime(() => evictFor(0, 1))) > 0);
      await tags.removeUnusedSince(now() - policy.ttl)
    },
    async reserve(size) {
      let reservation: Reservation | undefined
      await waitForRoom(size, 0, () => (reservation = reservations.add(size, waitForRoom)))
      return reservation
    },
    makeRoom: (bytes) => oneAtATime(async () => (await evictFor(bytes, BATCHES)) > 0),
  }

  /**
   * Calls `take` as soon as there is room for `size` bytes more than the `held` bytes that the caller has
   * reserved.
   *
   * @returns whether it called `take`
   */
  async function waitForRoom(size: number, held: number, take: () => void): Promise<boolean> {
    const timeout = delay(options.roomTimeout ?? ROOM_TIMEOUT, 'timeout', { ref: false })
    for (;;) {
      const { released } = reservations
      const hasTaken = await oneAtATime(async () => {
        if (!(await hasRoom(size))) return false
        take()
        return true
      })
      if (hasTaken) return true
      if (!(await isReservedByOthers(size, held))) return false
      if ((await Promise.race([released, timeout])) === 'timeout') return false
    }
  }

  async function isReservedByOthers(size: number, held: number): Promise<boolean> {
    const own = { bytes: held, unwritten: held }
    return reservations.total.bytes > held && couldFit(await inventory.usage(), own, policy, size)
  }

  async function hasRoom(size: number): Promise<boolean> {
    if (!couldFit(await inventory.usage(), reservations.total, policy, size)) return false
    await evictFor(size, BATCHES)
    return (await excess(size)) === 0
  }

  /** The cost is proportional to the number of evicted objects. @returns that number */
  async function evictFor(room: number, batches: number): Promise<number> {
    let bytes = await excess(room)
    if (bytes === 0) return 0
    const except = await pinned()
    let evicted = 0
    for (let batch = 0; batch < batches && bytes > 0; batch++) {
      const candidates = await inventory.longestUnused({ limit: CANDIDATES, except })
      const chosen = victims(candidates, bytes, now(), isNearlyExhausted).slice(0, BATCH)
      if (chosen.length === 0) break
      await evict(chosen, 'quota')
      evicted += chosen.length
      bytes -= chosen.reduce((sum, { size }) => sum + size, 0)
    }
    return evicted
  }

  async function expire(): Promise<void> {
    const instant = now() - policy.ttl
    const options = { limit: BATCH, except: await pinned() }
    for (let evicted = BATCH; evicted === BATCH;) {
      const expired = await inventory.olderThan(instant, policy.ttlFrom, options)
      await evict(expired, 'ttl')
      evicted = expired.length
    }
  }

  async function evict(contents: readonly StoredContent[], reason: 'ttl' | 'quota'): Promise<void> {
    await store.delete(...contents.map(({ digest }) => digest))
    for (const _ of contents) telemetry.evicted(reason)
  }

  async function excess(room: number): Promise<number> {
    // Read reservations before usage, so that a concurrent commit is counted twice rather than missed.
    const reserved = reservations.total
    return excessBytes(await inventory.usage(), reserved, policy, room)
  }
}
