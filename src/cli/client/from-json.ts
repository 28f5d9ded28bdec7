import type { ImageJson, PinJson, PurgedJson } from '../../admin/image-json.ts'
import type { Image, Pin, Purged } from '../../ports/operations.ts'
import { parseDigest } from '../../oci/digest.ts'

/** Parses what `admin/image-json.ts` writes. */
export function imageFromJson(json: ImageJson): Image {
  const {
    upstream,
    repository: name,
    tag,
    digest,
    size,
    unshared,
    storedAt,
    lastUsed,
    hits,
    pinned,
    vanishing,
  } = json
  return {
    repository: { upstream, name },
    tag: tag ?? undefined,
    digest: parseDigest(digest),
    size,
    unshared,
    storedAt: toInstant(storedAt),
    lastUsed: Date.parse(lastUsed),
    hits,
    isPinned: pinned,
    isVanishing: vanishing,
  }
}

export function purgedFromJson({ images, pinned, objects, bytes }: PurgedJson): Purged {
  return { images: images.map(imageFromJson), pinned: pinned.map(imageFromJson), objects, bytes }
}

export function pinFromJson({ pattern, addedAt }: PinJson): Pin {
  return { pattern, addedAt: toInstant(addedAt) }
}

function toInstant(text: string | null): number | undefined {
  return text === null ? undefined : Date.parse(text)
}
