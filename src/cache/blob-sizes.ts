import { LRUCache } from 'lru-cache'
import type { Manifest } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { contentKey } from './keys.ts'
import { referencesIn } from '../oci/manifest.ts'

/**
 * The sizes of blobs, as the manifests of a repository state them. They are for upstreams that do not send
 * the size (chunked answers), or send a wrong one. A manifest with wrong sizes affects its own repository
 * only.
 */
export interface BlobSizes {
  learn(repository: RepositoryName, manifest: Manifest): void
  of(repository: RepositoryName, digest: Digest): number | undefined
}

/** Entries of less than 1 KiB each. */
const REMEMBERED = 50_000
/** Of one manifest. Images have up to 127 layers, and a larger one would displace what others need. */
const OF_ONE = 256

export function blobSizes(): BlobSizes {
  const sizes = new LRUCache<string, number>({ max: REMEMBERED })
  /**
   * Manifests whose sizes are remembered. There are few, so that their sizes are rarely forgotten before
   * them.
   */
  const learnt = new LRUCache<string, true>({ max: REMEMBERED / 50 })

  return {
    learn(repository, manifest) {
      const key = contentKey(repository, manifest.descriptor.digest)
      if (learnt.has(key)) return
      learnt.set(key, true)
      let left = OF_ONE
      for (const { digest, size } of referencesIn(manifest).blobs) {
        if ((left -= 1) < 0) return
        sizes.set(contentKey(repository, digest), size)
      }
    },
    of: (repository, digest) => sizes.get(contentKey(repository, digest)),
  }
}
