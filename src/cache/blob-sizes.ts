import { LRUCache } from 'lru-cache'
import type { Manifest } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { contentKey } from './keys.ts'
import { referencesIn } from '../oci/manifest.ts'

/**
 * Remembers how long blobs are from the manifests that refer to them, for upstreams that do not say (chunked answers) or say it
 * wrong. By repository, so that a manifest which lies spoils nothing but its own repository.
 */
export interface BlobSizes {
  learn(repository: RepositoryName, manifest: Manifest): void
  of(repository: RepositoryName, digest: Digest): number | undefined
}

const REMEMBERED = 50_000

export function blobSizes(): BlobSizes {
  const sizes = new LRUCache<string, number>({ max: REMEMBERED })
  /** Few enough that what they taught is still remembered. */
  const learnt = new LRUCache<string, true>({ max: REMEMBERED / 50 })

  return {
    learn(repository, { descriptor, body }) {
      const key = contentKey(repository, descriptor.digest)
      if (learnt.has(key)) return
      learnt.set(key, true)
      for (const { digest, size } of referencesIn(body).blobs) sizes.set(contentKey(repository, digest), size)
    },
    of: (repository, digest) => sizes.get(contentKey(repository, digest)),
  }
}
