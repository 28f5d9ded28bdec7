import { LRUCache } from 'lru-cache'
import type { Digest } from '../oci/digest.ts'
import type { LinkIndex } from '../ports/metadata.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { contentKey } from './keys.ts'

export interface HotLinks extends LinkIndex {
  /** As `has`, of what is in memory. */
  recall(repository: RepositoryName, digest: Digest): boolean
  /** Lets go of everything. */
  clear(): void
}

const REMEMBERED = 20_000

/**
 * `links` with those seen last in memory. What is not linked is asked for each time: it may be linked at any moment. Eviction takes
 * links away behind its back, together with the content: what is not stored is asked of upstream, which proves it again.
 */
export function hotLinks(links: LinkIndex): HotLinks {
  const hot = new LRUCache<string, true>({ max: REMEMBERED })

  return {
    recall: (repository, digest) => hot.get(contentKey(repository, digest)) === true,
    async has(repository, digest) {
      const key = contentKey(repository, digest)
      if (hot.get(key) === true) return true
      if (!(await links.has(repository, digest))) return false
      hot.set(key, true)
      return true
    },
    knows: (upstream, digest) => links.knows(upstream, digest),
    add: (repository, digest) => links.add(repository, digest),
    async remove(repository, digest) {
      hot.delete(contentKey(repository, digest))
      await links.remove(repository, digest)
      hot.delete(contentKey(repository, digest))
    },
    clear: () => hot.clear(),
  }
}
