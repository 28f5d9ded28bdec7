import { isRegistryError } from '../oci/errors.ts'
import type { LinkIndex, ReferenceIndex, TagIndex } from '../ports/metadata.ts'

/**
 * Indexes that answer "not known", and drop what they are given, while the store fails: a pull then costs
 * requests upstream instead of failing. The store itself has counted the failure.
 */
export function failOpenIndexes(
  links: LinkIndex,
  references: ReferenceIndex,
  tags: TagIndex,
): { readonly links: LinkIndex; readonly references: ReferenceIndex; readonly tags: TagIndex } {
  return {
    links: {
      has: (repository, digest) => otherwise(links.has(repository, digest), false),
      knows: (upstream, digest) => otherwise(links.knows(upstream, digest), false),
      // Nothing is concluded from a failing index.
      isLinked: (digest) => otherwise(links.isLinked(digest), true),
      add: (repository, digest, mediaType) => otherwise(links.add(repository, digest, mediaType), undefined),
      mediaType: (repository, digest) => otherwise(links.mediaType(repository, digest), undefined),
    },
    references: {
      has: (manifest) => otherwise(references.has(manifest), false),
      record: (manifest, digests) => otherwise(references.record(manifest, digests), undefined),
    },
    tags: {
      get: (repository, tag) => otherwise(tags.get(repository, tag), undefined),
      set: (repository, tag, entry) => otherwise(tags.set(repository, tag, entry), undefined),
      remove: (repository, tag) => otherwise(tags.remove(repository, tag), undefined),
      removeUnusedSince: (instant, keep) => otherwise(tags.removeUnusedSince(instant, keep), 0),
    },
  }
}

function otherwise<T>(answer: Promise<T>, value: T): Promise<T>
function otherwise<T>(answer: T | Promise<T>, value: T): T | Promise<T>
function otherwise<T>(answer: T | Promise<T>, value: T): T | Promise<T> {
  if (!(answer instanceof Promise)) return answer
  return answer.catch((error: unknown) => {
    if (isRegistryError(error, 'STORAGE')) return value
    throw error
  })
}
