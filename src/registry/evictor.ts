import type { ContentInventory, TagIndex } from '../oci/indexes.ts'
import type { BlobStore } from '../oci/stores.ts'
import type { StoreTelemetry } from '../oci/telemetry.ts'
import { type EvictionPolicy, planEviction } from './eviction.ts'

export interface Evictor {
  /** Evicts what has expired, and what does not fit. */
  sweep(): Promise<void>
  /** Evicts until `bytes` more fit. @returns false when nothing could be evicted. */
  makeRoom(bytes: number): Promise<boolean>
}

export interface EvictorOptions {
  readonly store: BlobStore
  readonly inventory: ContentInventory
  readonly tags: TagIndex
  readonly policy: EvictionPolicy
  readonly telemetry: StoreTelemetry
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Small enough that the event loop gets its turn between two batches. */
const BATCH = 64

export function evictor(options: EvictorOptions): Evictor {
  const { store, inventory, tags, policy, telemetry, now } = options

  return {
    async sweep() {
      await evict(0)
      await tags.removeUnusedSince(now() - policy.ttl)
    },
    async makeRoom(bytes) {
      return (await evict(bytes)) > 0
    },
  }

  /** Cost follows what is evicted: the inventory hands out the oldest first, and a batch that stays ends it. */
  async function evict(room: number): Promise<number> {
    let evicted = 0
    for (;;) {
      const oldest = await inventory.leastRecentlyUsed(BATCH)
      const plan = planEviction(oldest, await inventory.usage(), policy, now(), room)
      for (const { digest, reason } of plan) {
        await store.delete(digest)
        telemetry.evicted(reason)
      }
      evicted += plan.length
      if (plan.length < BATCH) return evicted
    }
  }
}
