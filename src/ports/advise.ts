import type { RepositoryName } from '../oci/reference.ts'
import type { CacheStatus } from './read-options.ts'

/** A tag that was pulled. */
export interface PulledTag {
  readonly repository: RepositoryName
  readonly tag: string
}

/**
 * What a person who pulls should know of the answer for a tag: at most 200 printable characters of ASCII.
 *
 * @returns undefined where there is nothing to say, or this client was told
 */
export type Advise = (
  client: string,
  pulled: PulledTag,
  status: CacheStatus | undefined,
) => string | undefined
