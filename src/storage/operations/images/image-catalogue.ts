import type { ContentInventory } from '../../../ports/metadata.ts'
import type { DiskUsage, Image, ImageCatalogue } from '../../../ports/operations.ts'
import type { ImagePattern } from '../../../oci/image-pattern.ts'
import type { IndexReader } from '../../index/index-reader.ts'
import { diskUsage } from '../disk-usage.ts'
import { createPurge, type PurgeOptions } from '../purge.ts'

export interface CatalogueOptions extends PurgeOptions {
  readonly read: IndexReader['read']
  readonly inventory: Pick<ContentInventory, 'usage'>
  /** The patterns that the configuration pins. */
  readonly pinned: readonly ImagePattern[]
  /** Bytes that upstreams may take. */
  readonly shares: () => ReadonlyMap<string, number>
  /** What the rules keep; undefined = there are none. */
  readonly retained: () => Promise<DiskUsage['retained']>
  /** Writes the uses that are kept in memory to the index. */
  readonly flush: () => Promise<void>
}

/** The images in the index, as the thread of `index-reader.ts` reads them. */
export function createCatalogue(options: CatalogueOptions): ImageCatalogue {
  const { read, inventory, shares, flush } = options
  const purge = createPurge(options)
  const pinned = options.pinned.map(({ text }) => text)

  return {
    async images({ text }, { by = 'use', limit, asOf, vanishing } = {}) {
      await flush()
      const images: Image[] = []
      for await (const page of read('images', { pattern: text, pinned, by, limit, asOf, vanishing }))
        images.push(...page)
      return images
    },
    async usage() {
      const usage = await diskUsage(read('usage'), () => inventory.usage(), shares())
      const retained = await options.retained()
      return retained === undefined ? usage : { ...usage, retained }
    },
    purge: ({ text }, scope) => purge(read('purge', { pattern: text, pinned, dryRun: scope.dryRun }), scope),
  }
}
