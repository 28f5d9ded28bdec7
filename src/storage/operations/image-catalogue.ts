import type { Image, ImageCatalogue } from '../../ports/operations.ts'
import { diskUsage } from './disk-usage.ts'
import { type ImageRow, imageRows } from './image-rows.ts'
import type { Pins } from './pins.ts'
import { createPurge, type PurgeOptions } from './purge.ts'
import { yieldEvery } from '../../util/yield-every.ts'
import type { ContentIndex } from '../index/content-index.ts'

export interface CatalogueOptions extends Omit<PurgeOptions, 'describe'> {
  readonly content: Pick<ContentIndex, 'totals'>
  readonly pins: Pick<Pins, 'predicate'>
  /** Writes the uses that are kept in memory to the index. */
  readonly flush: () => Promise<void>
}

/**
 * The images in the index. Finding them costs in proportion to all images, adding up sizes to the wanted
 * ones.
 */
export function createCatalogue(options: CatalogueOptions): ImageCatalogue {
  const { query, content, pins, flush } = options

  return {
    async images(pattern) {
      await flush()
      const images = await described((await imageRows(query)).filter(pattern.matches))
      return images.toSorted((a, b) => b.lastUsed - a.lastUsed)
    },
    usage: () => diskUsage(query, content.totals),
    purge: createPurge({ ...options, describe: described }),
  }

  async function described(rows: readonly ImageRow[]): Promise<Image[]> {
    const pause = yieldEvery()
    const isPinned = await pins.predicate()
    const images: Image[] = []
    for (const row of rows) {
      const imageSize = await query((sql) => sql.imageSize.get(row.digest))
      const { size, unshared } = imageSize as { readonly size: number; readonly unshared: number }
      images.push({ ...row, size, unshared, isPinned: isPinned(row) })
      await pause()
    }
    return images
  }
}
