import { isRegistryError } from '../oci/errors.ts'
import type { LinkIndex, ReferenceIndex, TagIndex } from '../ports/metadata.ts'

/**
 * Indexes that know nothing while the store is out of order, and forget what they are told: a pull then costs requests upstream,
 * and does not fail. The store itself has counted the failure.
 */
export function forgivingIndexes(
  links: LinkIndex,
  references: ReferenceIndex,
  tags: TagIndex,
): { readonly links: LinkIndex; readonly references: ReferenceIndex; readonly tags: TagIndex } {
  return {
    links: {
      has: (repository, digest) => otherwise(links.has(repository, digest), false),
      knows: (upstream, digest) => otherwise(links.knows(upstream, digest), false),
      add: (repository, digest) => otherwise(links.add(repository, digest), undefined),
      remove: (repository, digest) => otherwise(links.remove(repository, digest), undefined),
    },
    references: {
      of: (manifest) => otherwise(references.of(manifest), []),
      record: (manifest, digests) => otherwise(references.record(manifest, digests), undefined),
    },
    tags: {
      get: (repository, tag) => otherwise(tags.get(repository, tag), undefined),
      set: (repository, tag, entry) => otherwise(tags.set(repository, tag, entry), undefined),
      remove: (repository, tag) => otherwise(tags.remove(repository, tag), undefined),
      removeUnusedSince: (instant) => otherwise(tags.removeUnusedSince(instant), 0),
    },
  }
}

async function otherwise<T>(work: Promise<T>, value: T): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (isRegistryError(error, 'STORAGE')) return value
    throw error
  }
}
