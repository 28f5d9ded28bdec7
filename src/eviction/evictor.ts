import { setTimeout as delay } from 'node:timers/promises'
import type { Digest } from '../oci/digest.ts'
import type { ContentInventory, StoredContent, TagIndex } from '../ports/metadata.ts'
import type { BlobStore } from '../ports/blob-store.ts'
import type { StoreTelemetry } from '../ports/telemetry.ts'
import { couldFit, excessBytes, type EvictionPolicy, type Promised, victims } from './eviction-policy.ts'

/** Room that was promised to content on its way in. Disposing it gives back what was not committed, or counts as committed now. */
export interface Reservation extends Disposable {
  readonly size: number
  /** Bytes of it that are on the disk. */
  written: number
  /** Asks for more. @returns false when there is none */
  grow(size: number): Promise<boolean>
}

export interface Evictor {
  /** Evicts what has expired, and what does not fit. */
  sweep(): Promise<void>
  /**
   * Promises room, and evicts for it; waits a little where the room there is was promised to others. undefined = there is none;
   * nothing is evicted for what would not fit all the same.
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
  /** Content that stays whatever happens. */
  readonly pinned: () => Promise<ReadonlySet<Digest>>
  /** Whether an upstream will soon answer no more. */
  readonly isNearlyExhausted: (upstream: string) => boolean
  readonly telemetry: Pick<StoreTelemetry, 'evicted'>
  /**
   * Milliseconds that a download waits for room that is promised to others. One that gets none is not shared: each of its
   * readers makes one of its own.
   */
  readonly patience?: number
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Small enough that others get their turn between two, and that the order is looked at again. */
const BATCH = 32
/** Of how many, of each size, those are chosen. */
const CANDIDATES = 64
/** How many of them a download waits for, most of a second; where that is not enough the sweep goes on. */
const BATCHES = 32
const PATIENCE = 3_000

export function evictor(options: EvictorOptions): Evictor {
  const { store, inventory, tags, policy, pinned, isNearlyExhausted, telemetry, now } = options
  const reservations = new Set<Reservation>()
  let last: Promise<unknown> = Promise.resolve()
  /** Resolved when promised room is given back, or taken by what can be evicted in its turn. */
  let released = Promise.withResolvers<void>()

  /** One at a time: two that look at once would both take the same room, or both evict for it. */
  const inTurn = <T>(task: () => Promise<T>): Promise<T> => {
    const turn = last.then(task, task)
    last = turn.catch(() => {})
    return turn
  }

  return {
    async sweep() {
      await expire()
      while ((await inTurn(() => evictFor(0, 1))) > 0);
      await tags.removeUnusedSince(now() - policy.ttl)
    },
    async reserve(size) {
      let reservation: Reservation | undefined
      await waitFor(size, 0, () => (reservation = reservationOf(size)))
      return reservation
    },
    makeRoom: (bytes) => inTurn(async () => (await evictFor(bytes, BATCHES)) > 0),
  }

  function reservationOf(size: number): Reservation {
    let held = size
    const reservation: Reservation = {
      get size() {
        return held
      },
      written: 0,
      grow: (size) => waitFor(size - held, held, () => (held = size)),
      [Symbol.dispose]() {
        reservations.delete(reservation)
        released.resolve()
        released = Promise.withResolvers()
      },
    }
    reservations.add(reservation)
    return reservation
  }

  /** Calls `take` as soon as there is room for `size` more than the `held` bytes that were promised already. @returns whether it did */
  async function waitFor(size: number, held: number, take: () => void): Promise<boolean> {
    const patience = delay(options.patience ?? PATIENCE, 'over', { ref: false })
    for (;;) {
      const { promise } = released
      const isThere = await inTurn(async () => {
        const isThere = await hasRoom(size)
        if (isThere) take()
        return isThere
      })
      if (isThere) return true
      if (!(await isPromisedToOthers(size, held))) return false
      if ((await Promise.race([promise, patience])) === 'over') return false
    }
  }

  async function isPromisedToOthers(size: number, held: number): Promise<boolean> {
    const mine = { bytes: held, unwritten: held }
    return promised().bytes > held && couldFit(await inventory.usage(), mine, policy, size)
  }

  async function hasRoom(size: number): Promise<boolean> {
    if (!couldFit(await inventory.usage(), promised(), policy, size)) return false
    await evictFor(size, BATCHES)
    return (await excess(size)) === 0
  }

  /** Cost follows what is evicted. @returns how many were */
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

  /** What was promised is counted before what was committed: what is committed meanwhile counts twice, and never not at all. */
  async function excess(room: number): Promise<number> {
    const before = promised()
    return excessBytes(await inventory.usage(), before, policy, room)
  }

  function promised(): Promised {
    const all = [...reservations]
    return {
      bytes: all.reduce((sum, { size }) => sum + size, 0),
      unwritten: all.reduce((sum, { size, written }) => sum + Math.max(0, size - written), 0),
    }
  }
}
