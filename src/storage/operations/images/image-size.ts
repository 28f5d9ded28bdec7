import type { Digest } from '../../../oci/digest.ts'
import { eachRow, type Steps } from '../../index/in-slices.ts'
import type { Statements } from '../../index/sql.ts'
import { walkDown } from '../content-walk.ts'
import type { ImageSize } from './image-sizes.ts'

/**
 * The size of one image, as `imageSizes` finds it for many: from what refers to its content, instead of a
 * walk over all images.
 */
export function* sizeOf(sql: Statements, image: Digest): Steps<ImageSize> {
  const own = sql.findContent.get(image) as { readonly size: number } | undefined
  const sizes = new Map<Digest, number>([[image, own?.size ?? 0]])
  yield* walkDown(sql, image, (digest, size) => {
    const isNew = !sizes.has(digest)
    sizes.set(digest, size)
    return isNew
  })
  let size = 0
  let unshared = 0
  const shared = yield* sharedAmong(sql, image, sizes)
  for (const [digest, bytes] of sizes) {
    size += bytes
    if (!shared.has(digest)) unshared += bytes
  }
  return { size, unshared }
}

/** Of the content of an image, what another one uses too, and everything below that. */
function* sharedAmong(
  sql: Statements,
  image: Digest,
  content: ReadonlyMap<Digest, number>,
): Steps<ReadonlySet<Digest>> {
  const shared = new Set<Digest>()
  for (const digest of content.keys()) {
    const others = digest === image ? 1 : 0
    const isUsed = sql.imagesOf.all(digest).length > others || (yield* hasOtherParent(sql, digest, content))
    if (!isUsed || shared.has(digest)) continue
    shared.add(digest)
    yield* walkDown(sql, digest, (below) => {
      const isNew = !shared.has(below)
      shared.add(below)
      return isNew
    })
  }
  return shared
}

function* hasOtherParent(
  sql: Statements,
  digest: Digest,
  content: ReadonlyMap<Digest, number>,
): Steps<boolean> {
  let isFound = false
  yield* eachRow<{ readonly parent: Digest }>(
    (last) => (isFound ? [] : sql.parentsAfter.all(digest, last?.parent ?? '')),
    ({ parent }) => (isFound ||= !content.has(parent)),
  )
  return isFound
}
