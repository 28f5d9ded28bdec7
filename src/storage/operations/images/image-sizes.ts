import type { Digest } from '../../../oci/digest.ts'
import type { Image } from '../../../ports/operations.ts'
import type { Steps } from '../../index/in-slices.ts'
import type { Statements } from '../../index/sql.ts'
import { closureOf, walkDown } from '../content-walk.ts'

export type ImageSize = Pick<Image, 'size' | 'unshared'>

/** Content that several images use, or that a manifest outside of all images refers to. */
const SHARED = 'shared'

/**
 * The sizes of the `wanted` images. `images` is how many images each manifest is: two tags of one manifest
 * share all of it.
 *
 * Every image is walked once. The first one that reaches some content owns it, the second one makes it
 * shared. Time and memory follow the number of all references.
 */
export function* imageSizes(
  sql: Statements,
  images: ReadonlyMap<Digest, number>,
  wanted: ReadonlySet<Digest>,
): Steps<ReadonlyMap<Digest, ImageSize>> {
  const owners = new Map<Digest, Digest | typeof SHARED>()
  const sizes = new Map([...wanted].map((digest) => [digest, { size: 0, unshared: 0 }]))

  for (const parent of yield* outsideParents(sql, images)) {
    owners.set(parent, SHARED)
    yield* walkDown(sql, parent, (digest) => {
      const isNew = owners.get(digest) !== SHARED
      owners.set(digest, SHARED)
      return isNew
    })
  }
  for (const [image, count] of images) {
    const sum = sizes.get(image)
    const seen = new Set<Digest>()
    const enter = (digest: Digest, size: number): boolean => {
      if (seen.has(digest)) return false
      seen.add(digest)
      if (sum !== undefined) sum.size += size
      const owner = owners.get(digest)
      if (owner === undefined && count === 1) {
        owners.set(digest, image)
        if (sum !== undefined) sum.unshared += size
      } else if (owner !== SHARED && owner !== image) {
        owners.set(digest, SHARED)
        const loser = owner && sizes.get(owner)
        if (loser !== undefined) loser.unshared -= size
      }
      // Below shared content everything is shared already; only its size is of interest.
      return sum !== undefined || owner !== SHARED
    }
    const own = sql.findContent.get(image) as { readonly size: number } | undefined
    if (enter(image, own?.size ?? 0)) yield* walkDown(sql, image, enter)
    yield
  }
  return sizes
}

/** Manifests with references that no image reaches: their links were lost with an index. */
function* outsideParents(sql: Statements, images: ReadonlyMap<Digest, number>): Steps<readonly Digest[]> {
  const parents: Digest[] = []
  for (let last = ''; ;) {
    const row = sql.nextParent.get(last)
    if (row === undefined) break
    last = String(row['parent'])
    if (!images.has(last as Digest)) parents.push(last as Digest)
    yield
  }
  if (parents.length === 0) return parents
  const reached = yield* closureOf(sql, images.keys())
  return parents.filter((parent) => !reached.has(parent))
}
