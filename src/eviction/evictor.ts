import { setTimeout as delay } from 'node:timers/promises'
import type { Digest } from '../oci/digest.ts'
import type { BlobStore } from '../ports/blob-store.ts'
import type { ContentInventory, StoredContent, TagIndex } from '../ports/metadata.ts'
import type { StoreTelemetry } from '../ports/telemetry.ts'
import { mutex } from '../util/mutex.ts'
import {
  exceededLimit,
  excessBytes,
  excessInodes,
  type EvictionPolicy,
  type Limit,
  victims,
} from './eviction-policy.ts'
import { type Reservation, Reservations } from './reservations.ts'

export interface Evictor {
  /** Removes old partials, then content that has expired, and content that exceeds the limits. */
  sweep(): Promise<void>
  /**
   * Begins to take room for content. The size, if it is known, evicts nothing: it only tells content that
   * could never fit.
   *
   * @returns the limit that leaves no room
   */
  reserve(size: number): Promise<Reservation | Limit>
  /** @returns the limit that content of this size exceeds even if all else were evicted */
  limitFor(size: number): Promise<Limit | undefined>
  /**
   * For a full disk: evicts until `bytes` more are free, at least one batch. @returns whether anything was
   * evicted
   */
  makeRoom(bytes: number): Promise<boolean>
}

/** Unfinished downloads that are kept for later. They go before committed content. */
export interface PartialRemover {
  sweep(): Promise<void>
  /** Removes the oldest until so many bytes are free. @returns how many bytes were freed */
  evict(bytes: number): Promise<number>
}

export interface EvictorOptions {
  readonly store: Pick<BlobStore, 'delete'>
  readonly inventory: ContentInventory
  readonly partials: PartialRemover
  readonly tags: Pick<TagIndex, 'removeUnusedSince'>
  readonly policy: EvictionPolicy
  /** Content that is never evicted. */
  readonly pinned: () => Promise<ReadonlySet<Digest>>
  /** Whether an upstream is about to limit us, so that fetching from it again is expensive. */
  readonly isNearlyExhausted: (upstream: string) => boolean
  /** Whether an upstream is out. What is stored of it does not expire: these may be the last copies. */
  readonly isOut: (upstream: string) => boolean
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
/**
 * Room taken ahead is at most this part of the store, or downloads that have hardly begun would fill a small
 * one.
 */
const STEPS = 100
const NOTHING = { bytes: 0, unwritten: 0 }

export function evictor(options: EvictorOptions): Evictor {
  const { store, inventory, partials, tags, policy, pinned, isNearlyExhausted, isOut, telemetry, now } =
    options
  const reservations = new Reservations()
  // Two evictions at once would both take the same room, or both evict for it.
  const oneAtATime = mutex()

  return {
    async sweep() {
      await partials.sweep()
      await expire()
      while ((await oneAtATime(() => evictFor(0, 1))) > 0);
      await tags.removeUnusedSince(now() - policy.ttl, isOut)
    },
    async reserve(size) {
      const usage = await inventory.usage()
      const limit = exceededLimit(usage, NOTHING, policy, size)
      if (limit !== undefined) return limit
      if (excessInodes(usage) > 0) {
        await oneAtATime(() => evictFor(0, BATCHES))
        if (excessInodes(await inventory.usage()) > 0) return 'inodes'
      }
      return reservations.add(takeRoom)
    },
    limitFor: async (size) => exceededLimit(await inventory.usage(), NOTHING, policy, size),
    makeRoom: (bytes) =>
      oneAtATime(
        async () => (await evictFor(bytes, BATCHES)) > 0 || (await evictBatch({ objects: BATCH })) > 0,
      ),
  }

  async function takeRoom(
    own: Reservation,
    end: number,
    ahead: number,
    take: (size: number) => void,
  ): Promise<boolean> {
    using waiting = new DisposableStack()
    let giveUp: Promise<unknown> | undefined
    for (;;) {
      const { released } = reservations
      const hasTaken = await oneAtATime(async () => {
        const size = await sizeWithRoom(own.size, end, ahead)
        if (size !== undefined) take(size)
        return size !== undefined
      })
      if (hasTaken) return true
      if (!(await isReservedByOthers(end - own.size, own.size))) return false
      giveUp ??= Promise.race([
        waiting.use(reservations.wait(own)).gaveWay.then(() => 'give up'),
        delay(options.roomTimeout ?? ROOM_TIMEOUT, 'give up', { ref: false }),
      ])
      if ((await Promise.race([released, giveUp])) === 'give up') return false
    }
  }

  /** `ahead` where that is free, `end` where eviction makes room for it. */
  async function sizeWithRoom(held: number, end: number, ahead: number): Promise<number | undefined> {
    const step = Math.min(ahead, Math.floor(end + policy.maxSize / STEPS))
    if ((await excess(step - held, 0)) === 0) return step
    const room = end - held
    if (exceededLimit(await inventory.usage(), reservations.total, policy, room) !== undefined)
      return undefined
    await evictFor(room, BATCHES)
    return (await excess(room, 0)) === 0 ? end : undefined
  }

  async function isReservedByOthers(room: number, held: number): Promise<boolean> {
    const own = { bytes: held, unwritten: held }
    const couldFit = exceededLimit(await inventory.usage(), own, policy, room) === undefined
    return couldFit && reservations.total.bytes > held
  }

  /** The cost is proportional to the number of evicted objects. @returns that number */
  async function evictFor(room: number, batches: number): Promise<number> {
    let bytes = await excess(room)
    let urgent = await excess(room, 0)
    let evicted = 0
    if (bytes > 0) {
      const freed = await partials.evict(bytes)
      if (freed > 0) evicted += 1
      bytes -= freed
      urgent -= freed
    }
    for (let batch = 0; batch < batches; batch++) {
      const objects = excessInodes(await inventory.usage())
      if (bytes <= 0 && objects === 0) break
      const sizes: number[] = []
      const count = await evictBatch({ bytes, urgent, objects }, sizes)
      if (count === 0) break
      evicted += count
      for (const size of sizes) {
        bytes -= size
        urgent -= size
      }
    }
    return evicted
  }

  /** @returns how many objects were evicted; their sizes are added to `sizes` */
  async function evictBatch(
    { bytes = 0, urgent = 0, objects = 0 }: { bytes?: number; urgent?: number; objects?: number },
    sizes: number[] = [],
  ): Promise<number> {
    const candidates = await inventory.longestUnused({ limit: CANDIDATES, except: await pinned() })
    const need = { bytes, urgent, objects: Math.min(objects, BATCH) }
    const chosen = victims(candidates, need, now(), isNearlyExhausted).slice(0, BATCH)
    await evict(chosen, 'quota')
    sizes.push(...chosen.map(({ size }) => size))
    return chosen.length
  }

  async function expire(): Promise<void> {
    const instant = now() - policy.ttl
    const options = { limit: BATCH, except: await pinned(), keep: isOut }
    for (let evicted = BATCH; evicted === BATCH;) {
      const expired = await inventory.olderThan(instant, policy.ttlFrom, options)
      await evict(expired, 'ttl')
      evicted = expired.length
    }
  }

  async function evict(contents: readonly StoredContent[], reason: 'ttl' | 'quota'): Promise<void> {
    if (contents.length > 0) await store.delete(...contents.map(({ digest }) => digest))
    for (const _ of contents) telemetry.evicted(reason)
  }

  async function excess(room: number, slack?: number): Promise<number> {
    // Read reservations before usage, so that a concurrent commit is counted twice rather than missed.
    const reserved = reservations.total
    return excessBytes(await inventory.usage(), reserved, policy, room, slack)
  }
}
