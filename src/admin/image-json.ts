import type { Image, Pin, Purged } from '../ports/operations.ts'
import { imageText } from '../oci/image-pattern.ts'

/** An image in the admin API. `image` is a pattern that matches it alone; times are ISO 8601. */
export interface ImageJson {
  readonly image: string
  readonly upstream: string
  readonly repository: string
  readonly tag: string | null
  readonly digest: string
  readonly size: number
  readonly unshared: number
  readonly storedAt: string | null
  readonly lastUsed: string
  readonly hits: number
  readonly pinned: boolean
  readonly vanishing: boolean
}

export interface PurgedJson {
  readonly images: readonly ImageJson[]
  readonly pinned: readonly ImageJson[]
  readonly objects: number
  readonly bytes: number
}

export interface PinJson {
  readonly pattern: string
  /** null = the configuration sets the pin. */
  readonly addedAt: string | null
}

export function imageToJson(image: Image): ImageJson {
  const { repository, tag, digest, size, unshared, storedAt, lastUsed, hits, isPinned, isVanishing } = image
  return {
    image: imageText(image),
    upstream: repository.upstream,
    repository: repository.name,
    tag: tag ?? null,
    digest,
    size,
    unshared,
    storedAt: toText(storedAt),
    lastUsed: new Date(lastUsed).toISOString(),
    hits,
    pinned: isPinned,
    vanishing: isVanishing,
  }
}

export function purgedToJson({ images, pinned, objects, bytes }: Purged): PurgedJson {
  return { images: images.map(imageToJson), pinned: pinned.map(imageToJson), objects, bytes }
}

export function pinToJson({ pattern, addedAt }: Pin): PinJson {
  return { pattern, addedAt: toText(addedAt) }
}

function toText(instant: number | undefined): string | null {
  return instant === undefined ? null : new Date(instant).toISOString()
}
