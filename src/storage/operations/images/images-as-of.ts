import type { Digest } from '../../../oci/digest.ts'
import { imagePattern } from '../../../oci/image-pattern.ts'
import type { Image } from '../../../ports/operations.ts'
import type { Steps } from '../../index/in-slices.ts'
import type { Statements } from '../../index/sql.ts'
import { seenTags } from '../../index/tags/seen-at.ts'
import { sizeOf } from './image-size.ts'
import type { ImageSize } from './image-sizes.ts'
import { isVanishing } from './find-images.ts'
import { pinnedBy } from '../pinned-by.ts'
import type { Wanted } from '../reader-tasks.ts'

type Stored = Pick<Image, 'storedAt' | 'lastUsed' | 'hits'> & ImageSize

const NOT_STORED: Stored = { size: 0, unshared: 0, lastUsed: 0, hits: 0 }

/** The images with a tag as they were seen at an instant, with what is stored of them now. */
export function* imagesAsOf(sql: Statements, wanted: Wanted, instant: number): Steps<readonly Image[]> {
  const pattern = imagePattern(wanted.pattern)
  const isPinned = pinnedBy(sql, wanted.pinned.map(imagePattern))
  const stored = new Map<Digest, Stored>()
  const images: Image[] = []
  for (const image of seenTags(sql, { instant, repository: pattern.repository })) {
    if (!pattern.matches(image)) continue
    const known = stored.get(image.digest) ?? (yield* storedOf(sql, image.digest))
    stored.set(image.digest, known)
    images.push({ ...image, ...known, isPinned: isPinned(image), isVanishing: isVanishing(sql, image) })
  }
  return images
}

function* storedOf(sql: Statements, digest: Digest): Steps<Stored> {
  const use = sql.contentUse.get(digest) as Pick<Stored, 'storedAt' | 'lastUsed' | 'hits'> | undefined
  if (use === undefined) return NOT_STORED
  const { storedAt, lastUsed, hits } = use
  return { storedAt, lastUsed, hits, ...(yield* sizeOf(sql, digest)) }
}
