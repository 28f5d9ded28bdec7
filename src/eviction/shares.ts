import type { StoredContent, UpstreamInventory } from '../ports/metadata.ts'
import { type Pool, Room, type RoomOptions } from './room.ts'

/** What upstreams may take of the store, where they have a limit of their own. */
export interface Shares {
  /** undefined: the upstream may take all of the store. */
  of(upstream: string | undefined): Room | undefined
  /** Evicts of each upstream what exceeds its share. */
  shrink(): Promise<void>
}

export interface ShareOptions extends Omit<RoomOptions, 'pool' | 'limits'> {
  /** Bytes, by upstream. May change. */
  readonly limits: () => ReadonlyMap<string, number>
  readonly inventory: UpstreamInventory
  readonly evict: (contents: readonly StoredContent[], reason: 'quota') => Promise<void>
}

/** A share is part of a store whose disk has its own limits. */
const BOUNDLESS = {
  totalBytes: Infinity,
  freeBytes: Infinity,
  totalInodes: Infinity,
  freeInodes: Infinity,
}

/**
 * Content that other upstreams have too counts in the share of each. When one of them is above its share, it
 * loses its right to the content, and the others keep it.
 */
export function shares(options: ShareOptions): Shares {
  const { limits, inventory, evict } = options
  const rooms = new Map<string, Room>()

  return { of, shrink }

  function of(upstream: string | undefined): Room | undefined {
    if (upstream === undefined || !limits().has(upstream)) return undefined
    const room = rooms.get(upstream) ?? roomOf(upstream)
    rooms.set(upstream, room)
    return room
  }

  async function shrink(): Promise<void> {
    for (const upstream of limits().keys()) await of(upstream)?.shrink()
  }

  function roomOf(upstream: string): Room {
    const pool: Pool = {
      async usage() {
        const { objects, bytes } = (await inventory.usageByUpstream()).get(upstream) ?? NOTHING
        return { objects, bytes, indexBytes: 0, partialBytes: 0, runningBytes: 0, disk: BOUNDLESS }
      },
      longestUnused: (wanted) => inventory.longestUnusedOf(upstream, wanted),
      async remove(contents) {
        const { own = [], shared = [] } = Object.groupBy(contents, ({ upstreams }) =>
          upstreams.length > 1 ? 'shared' : 'own',
        )
        await inventory.unlink(upstream, ...shared.map(({ digest }) => digest))
        await evict(own, 'quota')
      },
      removePartials: async () => 0,
    }
    return new Room({
      ...options,
      pool,
      limits: {
        get maxSize() {
          return limits().get(upstream) ?? Infinity
        },
        minFree: 0,
      },
    })
  }
}

const NOTHING = { objects: 0, bytes: 0 }
