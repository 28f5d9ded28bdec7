import type { Digest } from '../../oci/digest.ts'
import type { ImagePattern } from '../../oci/image-pattern.ts'
import type { Image, ImageCatalogue } from '../../ports/operations.ts'
import type { ContentInventory } from '../../ports/metadata.ts'
import { inSlices, type Steps } from '../index/in-slices.ts'
import type { Statements } from '../index/sql.ts'
import { diskUsage } from './disk-usage.ts'
import { eachImage, type ImageRow } from './image-rows.ts'
import { imageSizes } from './image-sizes.ts'
import type { Pins } from './pins.ts'
import { createPurge, type PurgeOptions } from './purge.ts'

export interface CatalogueOptions extends PurgeOptions {
  readonly inventory: Pick<ContentInventory, 'usage'>
  readonly pins: Pick<Pins, 'predicate'>
  /** Writes the uses that are kept in memory to the index. */
  readonly flush: () => Promise<void>
}

/** The images in the index. What is asked of a few images costs as much as of all, in slices. */
export function createCatalogue(options: CatalogueOptions): ImageCatalogue {
  const { query, inventory, pins, flush } = options
  const purge = createPurge(options)

  return {
    async images(pattern) {
      await flush()
      const { matching } = await inSlices(query, (sql) => findImages(sql, pattern))
      return (await withPins(matching)).toSorted((a, b) => b.lastUsed - a.lastUsed)
    },
    usage: () => diskUsage(query, () => inventory.usage()),
    async purge(pattern, { dryRun }) {
      const { all, matching } = await inSlices(query, (sql) => findImages(sql, pattern))
      const images = await withPins(matching)
      const [doomed, pinned] = [
        images.filter(({ isPinned }) => !isPinned),
        images.filter(({ isPinned }) => isPinned),
      ]
      return { images: doomed, pinned, ...(await purge(pattern, doomed, all, dryRun)) }
    },
  }

  async function withPins(images: readonly Omit<Image, 'isPinned'>[]): Promise<readonly Image[]> {
    const isPinned = await pins.predicate()
    return images.map((image) => ({ ...image, isPinned: isPinned(image) }))
  }
}

interface Found {
  readonly all: readonly ImageRow[]
  readonly matching: readonly Omit<Image, 'isPinned'>[]
}

function* findImages(sql: Statements, pattern: ImagePattern): Steps<Found> {
  const all: ImageRow[] = []
  const matching: ImageRow[] = []
  const counts = new Map<Digest, number>()
  yield* eachImage(sql, (image) => {
    all.push(image)
    counts.set(image.digest, (counts.get(image.digest) ?? 0) + 1)
    if (pattern.matches(image)) matching.push(image)
  })
  const wanted = new Set(matching.map(({ digest }) => digest))
  const sizes = wanted.size === 0 ? new Map() : yield* imageSizes(sql, counts, wanted)
  return { all, matching: matching.map((image) => Object.assign(image, sizes.get(image.digest)!)) }
}
