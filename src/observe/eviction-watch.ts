import type { Digest } from '../oci/digest.ts'
import { type ImageName, imageText } from '../oci/image-pattern.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { ImageCatalogue } from '../ports/operations.ts'
import { yieldEvery } from '../util/async/yield-every.ts'
import { timeBetween } from '../util/time-between.ts'
import type { Emit } from './events.ts'

export type EvictionReason = 'ttl' | 'quota' | 'purge'

export interface EvictionWatch {
  /** Images are about to go. @returns what is called when they have gone */
  evicting(digests: readonly Digest[], reason: EvictionReason): Promise<() => void>
  /** `catalogue`, whose purges are told. */
  tellPurges(catalogue: ImageCatalogue): ImageCatalogue
}

export interface EvictionWatchOptions {
  readonly emit: Emit
  /** The images that some of this content is, by the names of their tags. */
  readonly imagesOf: (digests: readonly Digest[]) => Promise<readonly ImageName[]>
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Milliseconds between two events that say that the store is full. */
const QUIET = 3_600_000

/** Emits an event for each image that leaves the store, and one when the store is full. */
export function evictionWatch({ emit, imagesOf, now }: EvictionWatchOptions): EvictionWatch {
  let fullAt = -Infinity

  function tell(image: ImageName, reason: EvictionReason): void {
    emit('image.evicted', { image: imageText(image), digest: image.digest, reason })
  }

  return {
    async evicting(digests, reason) {
      if (reason === 'quota') {
        if (timeBetween(now(), fullAt) >= QUIET) {
          emit('quota', { said: 'the store is full: what was not used for longest is evicted' })
          fullAt = now()
        }
      }
      // Eviction does not fail because nobody knows the name of what goes.
      const images = await imagesOf(digests).catch(ignoreStorage)
      return () => images.forEach((image) => tell(image, reason))
    },
    tellPurges: (catalogue) => ({
      images: catalogue.images,
      usage: catalogue.usage,
      async purge(pattern, options) {
        const purged = await catalogue.purge(pattern, options)
        if (options.dryRun) return purged
        const pause = yieldEvery()
        for (const image of purged.images) {
          tell(image, 'purge')
          await pause()
        }
        return purged
      },
    }),
  }
}

function ignoreStorage(error: unknown): readonly ImageName[] {
  if (isRegistryError(error, 'STORAGE')) return []
  throw error
}
