import type { Digest } from '../../../oci/digest.ts'
import type { ImageName } from '../../../oci/image-pattern.ts'
import type { Query } from '../../index/sql.ts'

interface Row {
  readonly upstream: string
  readonly repository: string
  readonly tag: string | null
}

/** The images that some of this content is: by the tags that point to it, or by its digest. */
export function imagesOf(query: Query): (digests: readonly Digest[]) => Promise<readonly ImageName[]> {
  return async (digests) => {
    const found: ImageName[] = []
    for (const digest of digests) {
      const rows = (await query((sql) => sql.namesOf.all(digest))) as unknown as readonly Row[]
      for (const { upstream, repository, tag } of rows) {
        found.push({ repository: { upstream, name: repository }, tag: tag ?? undefined, digest })
      }
    }
    return found
  }
}
