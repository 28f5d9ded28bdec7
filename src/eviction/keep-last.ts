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
}

type Inventory = Pick<ContentInventory, 'olderThan' | 'longestUnused'>

/**
 * An inventory that hands out retained content only when nothing else is left, and never for its age: limits
 * come before what was promised, or nobody could pull anything new.
 */
export function keepLast<T extends Inventory>(inventory: T, { retained, broken }: KeepLastOptions): T {
  return {
    ...inventory,
    olderThan: async (instant, by, options) =>
      inventory.olderThan(instant, by, without(options, await retained())),
    longestUnused: (options) => lastOf((some) => inventory.longestUnused(some), options, retained, broken),
  }
}

/** The same for the content of single upstreams. */
export function keepLastOf(
  inventory: UpstreamInventory,
  { retained, broken }: KeepLastOptions,
): UpstreamInventory {
  return {
    ...inventory,
    longestUnusedOf: (upstream, options) =>
      lastOf((some) => inventory.longestUnusedOf(upstream, some), options, retained, broken),
  }
}

async function lastOf(
  find: (options: InventoryOptions) => Promise<readonly StoredContent[]>,
  options: InventoryOptions,
  retained: KeepLastOptions['retained'],
  broken: KeepLastOptions['broken'],
): Promise<readonly StoredContent[]> {
  const kept = await retained()
  if (kept.size === 0) return find(options)
  const others = await find(without(options, kept))
  if (others.length > 0) return others
  const last = await find(options)
  if (last.length > 0) broken(last)
  return last
}

function without(options: InventoryOptions, retained: ReadonlySet<Digest>): InventoryOptions {
  return retained.size === 0 ? options : { ...options, except: unionOf(options.except, retained) }
}

/** Inventories only ask what is in it: no set of all is made for each batch. */
function unionOf(one: InventoryOptions['except'], other: ReadonlySet<Digest>): InventoryOptions['except'] {
  return { has: (digest) => one.has(digest) || other.has(digest) }
}
