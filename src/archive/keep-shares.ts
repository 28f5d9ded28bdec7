import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { LinkIndex } from '../ports/metadata.ts'
import type { CheckedManifest } from './check-image.ts'

export interface SharesOptions {
  readonly links: Pick<LinkIndex, 'knows'>
  /** Evicts of an upstream what exceeds its share of the store. */
  readonly keepShare: (upstream: string) => Promise<void>
  /** Is told that it failed. The next sweep evicts the same. */
  readonly shareNotKept: (error: unknown) => void
}

/**
 * Keeps the upstreams of images that were published within their shares.
 *
 * @throws Error when that took parts of these images: all else of the upstream is pinned, or was used later
 */
export async function keepShares(
  images: readonly { readonly repository: RepositoryName; readonly manifests: readonly CheckedManifest[] }[],
  { links, keepShare, shareNotKept }: SharesOptions,
): Promise<void> {
  const parts = new Map<string, Set<Digest>>()
  for (const { repository, manifests } of images) {
    const own = parts.get(repository.upstream) ?? new Set()
    for (const { digest, blobs } of manifests) for (const part of [digest, ...blobs]) own.add(part)
    parts.set(repository.upstream, own)
  }
  for (const upstream of parts.keys()) await keepShare(upstream).catch(shareNotKept)
  for (const [upstream, digests] of parts)
    for (const digest of digests)
      if (!(await links.knows(upstream, digest)))
        throw new Error(
          `the store has no room for all of the archive besides what is pinned: ${digest} was evicted again, and the rest is kept (upstreams.${upstream}.maxSize, storage.maxSize)`,
        )
}
