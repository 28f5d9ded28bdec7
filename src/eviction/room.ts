import { setTimeout as delay } from 'node:timers/promises'
import type { Digest } from '../oci/digest.ts'
import type { InventoryOptions, StoredContent, StoreUsage } from '../ports/metadata.ts'
import { mutex } from '../util/async/mutex.ts'
import {
  exceededLimit,
  excessBytes,
  excessInodes,
  type EvictionPolicy,
  type Limit,
  victims,
} from './eviction-policy.ts'
import { type Reservation, Reservations } from './reservations.ts'

/** What is kept within its limits: the store, or what an upstream may take of it. */
export interface Pool {
  usage(): Promise<StoreUsage>
  longestUnused(options: InventoryOptions): Promise<readonly StoredContent[]>
  remove(contents: readonly StoredContent[]): Promise<void>
  /** Removes unfinished downloads. @returns how many bytes were freed */
  removePartials(bytes: number): Promise<number>
}

export interface RoomOptions {
  readonly pool: Pool
  /** May change. */
  readonly limits: Pick<EvictionPolicy, 'maxSize' | 'minFree'>
  /** Content that is never evicted. */
  readonly pinned: () => Promise<ReadonlySet<Digest>>
  /** Whether an upstream is about to limit us, so that fetching from it again is expensive. */
  readonly isNearlyExhausted: (upstream: string) => boolean
  /** Milliseconds that a download waits for room that others have reserved. */
  readonly roomTimeout?: number
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Objects evicted in one go. Others get their turn between two, and the order is computed again. */
export const BATCH = 32
/** Candidates of each size class, of which a batch is chosen. */
const CANDIDATES = 64
/** Batches that a download waits for, less than a second together. The next sweep evicts the rest. */
const BATCHES = 32
const ROOM_TIMEOUT = 3_000
/** What is evicted may be filled again meanwhile: the index grows by what manifests refer to. */
const ROUNDS = 4
/**
 * Room taken ahead is at most this part of the pool, or downloads that have hardly begun would fill a small
 * one.
 */
const STEPS = 100
const NOTHING = { bytes: 0, unwritten: 0 }

/** The room in a pool: who takes it, and what is evicted for it. */
export class Room {
  readonly #options: RoomOptions
  readonly #reservations = new Reservations()
  // Two evictions at once would both take the same room, or both evict for it.
  readonly #oneAtATime = mutex()

  constructor(options: RoomOptions) {
    this.#options = options
  }

  /** Evicts what exceeds the limits. */
  async shrink(): Promise<void> {
    while ((await this.#oneAtATime(() => this.#evictFor(0, 1))) > 0);
  }

  /**
   * Begins to take room for content. The size, if it is known, evicts nothing: it only tells content that
   * could never fit.
   *
   * @returns the limit that leaves no room
   */
  async reserve(size: number): Promise<Reservation | Limit> {
    const { pool, limits } = this.#options
    const usage = await pool.usage()
    const limit = exceededLimit(usage, NOTHING, limits, size)
    if (limit !== undefined) return limit
    if (excessInodes(usage) > 0) {
      await this.#oneAtATime(() => this.#evictFor(0, BATCHES))
      if (excessInodes(await pool.usage()) > 0) return 'inodes'
    }
    return this.#reservations.add((...args) => this.#takeRoom(...args))
  }

  /**
   * `written`: bytes of it that are on the disk.
   *
   * @returns the limit that content of this size exceeds even if all else were evicted
   */
  async limitFor(size: number, written: number): Promise<Limit | undefined> {
    const { pool, limits } = this.#options
    return exceededLimit(await pool.usage(), { bytes: written, unwritten: 0 }, limits, size - written)
  }

  /** Evicts until `bytes` more are free, at least one batch. @returns whether anything was evicted */
  makeRoom(bytes: number): Promise<boolean> {
    return this.#oneAtATime(
      async () =>
        (await this.#evictFor(bytes, BATCHES)) > 0 || (await this.#evictBatch({ objects: BATCH })) > 0,
    )
  }

  async #takeRoom(
    own: Reservation,
    end: number,
    ahead: number,
    take: (size: number) => void,
  ): Promise<boolean> {
    using waiting = new DisposableStack()
    let giveUp: Promise<unknown> | undefined
    for (;;) {
      const { released, releases } = this.#reservations
      const hasTaken = await this.#oneAtATime(async () => {
        const size = await this.#sizeWithRoom(own.size, end, ahead)
        if (size !== undefined) take(size)
        return size !== undefined
      })
      if (hasTaken) return true
      if (!(await this.#couldFit(end - own.size, own))) return false
      // What was released meanwhile can be evicted now, if it is not free.
      if (this.#reservations.releases !== releases) continue
      if (this.#reservations.total.bytes <= own.size) return false
      giveUp ??= Promise.race([
        waiting.use(this.#reservations.wait(own)).gaveWay.then(() => 'give up'),
        delay(this.#options.roomTimeout ?? ROOM_TIMEOUT, 'give up', { ref: false }),
      ])
      if ((await Promise.race([released, giveUp])) === 'give up') return false
    }
  }

  /** `ahead` where that is free, `end` where eviction makes room for it. */
  async #sizeWithRoom(held: number, end: number, ahead: number): Promise<number | undefined> {
    const { pool, limits } = this.#options
    const step = Math.min(ahead, Math.floor(end + limits.maxSize / STEPS))
    if ((await this.#excess(step - held, 0)) === 0) return step
    const room = end - held
    if (exceededLimit(await pool.usage(), this.#reservations.total, limits, room) !== undefined)
      return undefined
    for (let round = 0; round < ROUNDS; round++) {
      const evicted = await this.#evictFor(room, BATCHES)
      if ((await this.#excess(room, 0)) === 0) return end
      if (evicted === 0) break
    }
    return undefined
  }

  /** Whether there were room if nobody else held any. */
  async #couldFit(room: number, { size, written }: Reservation): Promise<boolean> {
    const { pool, limits } = this.#options
    const own = { bytes: size, unwritten: Math.max(0, size - written) }
    return exceededLimit(await pool.usage(), own, limits, room) === undefined
  }

  /** The cost is proportional to the number of evicted objects. @returns that number */
  async #evictFor(room: number, batches: number): Promise<number> {
    const { pool } = this.#options
    let bytes = await this.#excess(room)
    let urgent = await this.#excess(room, 0)
    let evicted = 0
    const isShortOfInodes = excessInodes(await pool.usage()) > 0
    if (bytes > 0 || isShortOfInodes) {
      const freed = await pool.removePartials(isShortOfInodes ? Infinity : bytes)
      if (freed > 0) evicted += 1
      bytes -= freed
      urgent -= freed
    }
    for (let batch = 0; batch < batches; batch++) {
      const objects = excessInodes(await pool.usage())
      if (bytes <= 0 && objects === 0) break
      const sizes: number[] = []
      const count = await this.#evictBatch({ bytes, urgent, objects }, sizes)
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
  async #evictBatch(
    { bytes = 0, urgent = 0, objects = 0 }: { bytes?: number; urgent?: number; objects?: number },
    sizes: number[] = [],
  ): Promise<number> {
    const { pool, pinned, isNearlyExhausted, now } = this.#options
    const candidates = await pool.longestUnused({ limit: CANDIDATES, except: await pinned() })
    const need = { bytes, urgent, objects: Math.min(objects, BATCH) }
    const chosen = victims(candidates, need, now(), isNearlyExhausted).slice(0, BATCH)
    await pool.remove(chosen)
    sizes.push(...chosen.map(({ size }) => size))
    return chosen.length
  }

  async #excess(room: number, slack?: number): Promise<number> {
    // Read reservations before usage, so that a concurrent commit is counted twice rather than missed.
    const reserved = this.#reservations.total
    return excessBytes(await this.#options.pool.usage(), reserved, this.#options.limits, room, slack)
  }
}
