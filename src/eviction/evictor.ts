import type { Digest } from '../oci/digest.ts'
import type { BlobStore } from '../ports/blob-store.ts'
import type { ContentInventory, StoredContent, TagIndex } from '../ports/metadata.ts'
import type { StoreTelemetry } from '../ports/telemetry.ts'
import type { EvictionPolicy, Limit } from './eviction-policy.ts'
import { bothOf, type Reservation } from './reservations.ts'
import { BATCH, Room, type RoomOptions } from './room.ts'
import { type ShareOptions, shares } from './shares.ts'

export interface Evictor {
  /** Removes old partials, then content that has expired, and content that exceeds the limits. */
  sweep(): Promise<void>
  /**
   * Begins to take room for content, also of the share of its upstream where that is limited. The size, if
   * it is known, evicts nothing: it only tells content that could never fit.
   *
   * @returns the limit that leaves no room
   */
  reserve(size: number, upstream?: string): Promise<Reservation | Limit>
  /**
   * `written`: bytes of it that are on the disk.
   *
   * @returns the limit that content of this size exceeds even if all else were evicted
   */
  limitFor(size: number, upstream?: string, written?: number): Promise<Limit | undefined>
  /** Evicts of an upstream what exceeds its share. */
  keepShare(upstream: string): Promise<void>
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

export interface EvictorOptions extends Omit<RoomOptions, 'pool' | 'limits'> {
  readonly store: Pick<BlobStore, 'delete'>
  readonly inventory: ContentInventory
  readonly partials: PartialRemover
  readonly tags: Pick<TagIndex, 'removeUnusedSince'>
  readonly policy: EvictionPolicy
  /** What upstreams may take of the store. Left out: no upstream has a limit of its own. */
  readonly shares?: Pick<ShareOptions, 'limits' | 'inventory'>
  /** Whether an upstream is out. What is stored of it does not expire: these may be the last copies. */
  readonly isOut: (upstream: string) => boolean
  readonly telemetry: Pick<StoreTelemetry, 'evicted'>
  /** Called with each batch before it is removed. @returns what is called when it has been */
  readonly evicting?: (
    digests: readonly Digest[],
    reason: 'ttl' | 'quota',
  ) => Promise<(() => void) | undefined>
}

export function evictor(options: EvictorOptions): Evictor {
  const { store, inventory, partials, tags, policy, pinned, isOut, telemetry, now } = options
  const room = new Room({
    ...options,
    limits: policy,
    pool: {
      usage: inventory.usage,
      longestUnused: inventory.longestUnused,
      remove: (contents) => evict(contents, 'quota'),
      removePartials: partials.evict,
    },
  })
  const limited = options.shares && shares({ ...options, ...options.shares, evict })

  return {
    async sweep() {
      await partials.sweep()
      await expire()
      await limited?.shrink()
      await room.shrink()
      await tags.removeUnusedSince(now() - policy.ttl, isOut)
    },
    async reserve(size, upstream) {
      using unused = new DisposableStack()
      const ofShare = await limited?.of(upstream)?.reserve(size)
      if (typeof ofShare === 'string') return 'share'
      unused.use(ofShare)
      const reservation = await room.reserve(size)
      if (typeof reservation === 'string' || ofShare === undefined) return reservation
      unused.move()
      return bothOf(ofShare, reservation)
    },
    async limitFor(size, upstream, written = 0) {
      const isAboveShare = (await limited?.of(upstream)?.limitFor(size, written)) !== undefined
      return isAboveShare ? 'share' : room.limitFor(size, written)
    },
    keepShare: async (upstream) => limited?.of(upstream)?.shrink(),
    makeRoom: (bytes) => room.makeRoom(bytes),
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
    if (contents.length === 0) return
    const digests = contents.map(({ digest }) => digest)
    const evicted = await options.evicting?.(digests, reason)
    await store.delete(...digests)
    for (const _ of contents) telemetry.evicted(reason)
    evicted?.()
  }
}
