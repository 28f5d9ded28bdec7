import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { TagHistory, TagPeek } from '../ports/metadata.ts'
import type { Inspect } from '../ports/operations.ts'

/** Earlier digests of a tag that are looked at. */
const MOST_DIGESTS = 5

/**
 * The platforms of an image that were pulled so far: those of which some layer is stored, of the digest that
 * its tag points to or pointed to before. Empty when none was.
 */
export function pulledPlatforms({
  tags,
  inspect,
}: {
  readonly tags: TagPeek & TagHistory
  readonly inspect: Inspect
}): (
  repository: RepositoryName,
  reference: { readonly tag: string } | { readonly digest: Digest },
) => Promise<readonly string[]> {
  return async (repository, reference) => {
    const digests =
      'digest' in reference
        ? [reference.digest]
        : (await tags.history(repository, reference.tag)).map(({ digest }) => digest)
    for (const digest of [...new Set(digests)].slice(0, MOST_DIGESTS)) {
      const pulled = ((await inspect(digest))?.platforms ?? []).filter(
        ({ platform, isStored, missing, layers }) =>
          isStored && missing.length < layers && platform !== 'attestation' && platform !== 'unknown',
      )
      if (pulled.length > 0) return pulled.map(({ platform }) => platform)
    }
    return []
  }
}
