import type { Image, ImageCatalogue } from '../oci/catalogue.ts'
import type { Digest } from '../oci/digest.ts'
import { diskUsage } from './disk-usage.ts'
import { closures, type ImageRow, imageRows } from './image-rows.ts'
import type { Pins } from './pins.ts'
import { purging, type PurgeOptions } from './purge.ts'
import type { ContentIndex } from './sqlite-index.ts'

export interface CatalogueOptions extends Omit<PurgeOptions, 'describe'> {
  readonly content: Pick<ContentIndex, 'totals'>
  readonly pins: Pick<Pins, 'predicate'>
  /** Brings uses into the index that are kept in memory. */
  readonly flush: () => Promise<void>
}

/** The images in the index. Cost is in proportion to all of them, for what one shares depends on the others. */
export function catalogue(options: CatalogueOptions): ImageCatalogue {
  const { query, content, pins, flush } = options

  return {
    async images(pattern) {
      await flush()
      const all = await imageRows(query)
      const images = await described(all, all.filter(pattern.matches))
      return images.toSorted((a, b) => b.lastUsed - a.lastUsed)
    },
    usage: () => diskUsage(query, content.totals),
    purge: purging({ ...options, describe: described }),
  }

  async function described(all: readonly ImageRow[], wanted: readonly ImageRow[]): Promise<Image[]> {
    if (wanted.length === 0) return []
    const isPinned = await pins.predicate()
    const { sizes, unshared } = await measure(all)
    return wanted.map((row) => ({
      ...row,
      size: sizes.get(row.digest) ?? 0,
      unshared: unshared.get(row.digest) ?? 0,
      isPinned: isPinned(row),
    }))
  }

  async function measure(all: readonly ImageRow[]) {
    const images = Map.groupBy(all, ({ digest }) => digest)
    const sizes = new Map<Digest, number>()
    /** Which manifest it is of; undefined when more images than one have it. */
    const owners = new Map<Digest, { readonly size: number; readonly root: Digest | undefined }>()
    for await (const [root, parts] of closures(query, images.keys())) {
      const isAlone = images.get(root)!.length === 1
      for (const { digest, size } of parts) {
        owners.set(digest, { size, root: isAlone && !owners.has(digest) ? root : undefined })
        sizes.set(root, (sizes.get(root) ?? 0) + size)
      }
    }
    const unshared = new Map<Digest, number>()
    for (const { size, root } of owners.values())
      if (root !== undefined) unshared.set(root, (unshared.get(root) ?? 0) + size)
    return { sizes, unshared }
  }
}
