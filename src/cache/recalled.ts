import type { Content } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { TagEntry } from '../ports/metadata.ts'
import type { RepositoryName } from '../oci/reference.ts'

/** What of the store is in memory, to be had at once. Being asked counts as a use. */
export interface Memory {
  content(digest: Digest): Content | undefined
  isLinked(repository: RepositoryName, digest: Digest): boolean
  tag(repository: RepositoryName, tag: string): TagEntry | undefined
}
