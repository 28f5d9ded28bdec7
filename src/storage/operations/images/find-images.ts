import type { Digest } from '../../../oci/digest.ts'
import { imagePattern, type ImagePattern } from '../../../oci/image-pattern.ts'
import type { RepositoryName } from '../../../oci/reference.ts'
import type { Image } from '../../../ports/operations.ts'
import type { Steps } from '../../index/in-slices.ts'
import type { Statements } from '../../index/sql.ts'
import { eachImage, eachImageIn, type ImageRow } from './image-rows.ts'
import { sizeOf } from './image-size.ts'
import { imageSizes } from './image-sizes.ts'
import { pinnedBy } from '../pinned-by.ts'
import type { Wanted } from '../reader-tasks.ts'

/** The images that a pattern matches. Those of one repository are found without reading all others. */
export function* imagesMatching(sql: Statements, wanted: Wanted): Steps<readonly Image[]> {
  const pattern = imagePattern(wanted.pattern)
  return pattern.repository === undefined
    ? (yield* findImages(sql, wanted)).matching
    : yield* imagesIn(sql, pattern, pattern.repository, wanted)
}

export interface Found {
  /** In the whole store. */
  readonly all: readonly ImageRow[]
  readonly matching: readonly Image[]
}

export function* findImages(sql: Statements, wanted: Wanted): Steps<Found> {
  const pattern = imagePattern(wanted.pattern)
  const all: ImageRow[] = []
  const matching: ImageRow[] = []
  const counts = new Map<Digest, number>()
  yield* eachImage(sql, (image) => {
    all.push(image)
    counts.set(image.digest, (counts.get(image.digest) ?? 0) + 1)
    if (pattern.matches(image)) matching.push(image)
  })
  const digests = new Set(matching.map(({ digest }) => digest))
  const sizes = digests.size === 0 ? new Map() : yield* imageSizes(sql, counts, digests)
  const isPinned = pinnedBy(sql, wanted.pinned.map(imagePattern))
  return {
    all,
    matching: matching.map((image) =>
      Object.assign(image, sizes.get(image.digest)!, {
        isPinned: isPinned(image),
        isVanishing: isVanishing(sql, image),
      }),
    ),
  }
}

function* imagesIn(
  sql: Statements,
  pattern: ImagePattern,
  repository: RepositoryName,
  wanted: Wanted,
): Steps<readonly Image[]> {
  const isPinned = pinnedBy(sql, wanted.pinned.map(imagePattern))
  const rows: ImageRow[] = []
  yield* eachImageIn(sql, repository, (image) => {
    if (pattern.matches(image)) rows.push(image)
  })
  const found: Image[] = []
  for (const row of rows) {
    const size = yield* sizeOf(sql, row.digest)
    found.push({ ...row, ...size, isPinned: isPinned(row), isVanishing: isVanishing(sql, row) })
  }
  return found
}

export function isVanishing(sql: Statements, { digest }: Pick<ImageRow, 'digest'>): boolean {
  return sql.isVanished.get(digest) !== undefined
}
