import type { Digest } from '../oci/digest.ts'
import type {
  ContentInventory,
  InventoryOptions,
  StoredContent,
  UpstreamInventory,
} from '../ports/metadata.ts'

export interface KeepLastOptions {
  /** Content that was promised to be kept. */
  readonly retained: () => Promise<ReadonlySet<Digest>>
  /** Told of what is about to go all the same, because the limits leave nothing else. */
  readonly broken: (contents: readonly StoredContent[]) => void
  /** Epoch milliseconds. */
  readonly now: () => number
}

/**
 * Milliseconds. What was used within this time is not given up for a promise: it may be on its way to
 * clients, and is newer than what is known to be retained.
 */
const GRACE = 10 * 60_000

type Inventory = Pick<ContentInventory, 'olderThan' | 'longestUnused'>

/**
 * An inventory that hands out retained content only when nothing else is left, and never for its age: limits
 * come before what was promised, or nobody could pull anything new.
 */
export function keepLast<T extends Inventory>(inventory: T, options: KeepLastOptions): T {
  const { retained } = options
  return {
    ...inventory,
    olderThan: async (instant, by, wanted) =>
      inventory.olderThan(instant, by, without(wanted, await retained())),
    longestUnused: (wanted) => lastOf((some) => inventory.longestUnused(some), wanted, options),
  }
}

/** The same for the content of single upstreams. */
export function keepLastOf(inventory: UpstreamInventory, options: KeepLastOptions): UpstreamInventory {
  return {
    ...inventory,
    longestUnusedOf: (upstream, wanted) =>
      lastOf((some) => inventory.longestUnusedOf(upstream, some), wanted, options),
  }
}

async function lastOf(
  find: (options: InventoryOptions) => Promise<readonly StoredContent[]>,
  options: InventoryOptions,
  { retained, broken, now }: KeepLastOptions,
): Promise<readonly StoredContent[]> {
  const kept = await retained()
  if (kept.size === 0) return find(options)
  const others = await find(without(options, kept))
  const old = others.filter(({ lastUsed }) => lastUsed < now() - GRACE)
  if (old.length > 0) return old
  const last = await find(options)
  const promised = last.filter(({ digest }) => kept.has(digest))
  if (promised.length > 0) broken(promised)
  return last
}

function without(options: InventoryOptions, retained: ReadonlySet<Digest>): InventoryOptions {
  return retained.size === 0 ? options : { ...options, except: unionOf(options.except, retained) }
}

/** Inventories only ask what is in it: no set of all is made for each batch. */
function unionOf(one: InventoryOptions['except'], other: ReadonlySet<Digest>): InventoryOptions['except'] {
  return { has: (digest) => one.has(digest) || other.has(digest) }
}
