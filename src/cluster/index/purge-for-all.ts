import type { Digest } from '../../oci/digest.ts'
import { type ImagePattern, imagePattern } from '../../oci/image-pattern.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { ImageCatalogue } from '../../ports/operations.ts'
import type { Statements } from '../database.ts'
import type { SharedTags } from './shared-tags.ts'

export interface PurgeForAllOptions {
  readonly catalogue: ImageCatalogue
  readonly database: Pick<Statements, 'query'>
  readonly tags: Pick<SharedTags, 'purge'>
  /** Has the other replicas purge what they have. @throws RegistryError STORAGE */
  readonly tell: (pattern: string) => Promise<void>
}

export interface PurgeForAll {
  /** The images of this replica. What is purged is purged of all replicas. */
  readonly catalogue: ImageCatalogue
  /**
   * Purges what another replica was asked to purge, of what this one has. What all share was purged there, and may
   * have been learnt again since.
   */
  heard(pattern: string): Promise<void>
}

interface Repository {
  readonly upstream: string
  readonly repository: string
}

/**
 * What one replica is asked to purge, all purge: each what it has, and this one what all share. Objects of the
 * bucket that no replica has any more are removed when they expire.
 */
export function purgeForAll({ catalogue, database, tags, tell }: PurgeForAllOptions): PurgeForAll {
  const { query } = database
  return {
    catalogue: {
      ...catalogue,
      async purge(pattern, options) {
        if (!options.dryRun) {
          // First, because it may fail: nothing is changed here then, and it can be asked for again.
          await purgeShared(pattern)
          await tell(pattern.text)
        }
        return catalogue.purge(pattern, options)
      },
    },
    async heard(text) {
      await catalogue.purge(imagePattern(text), { dryRun: false, isOnlyHere: true })
    },
  }

  async function purgeShared(pattern: ImagePattern): Promise<void> {
    for (const { upstream, repository } of await repositoriesOf(pattern)) {
      const name = { upstream, name: repository }
      if (!pattern.matchesRepository(name)) continue
      await purgeTags(name, pattern)
      if (!pattern.isWhole) continue
      await query('DELETE FROM entrepot_links WHERE upstream = $1 AND repository = $2', [
        upstream,
        repository,
      ])
    }
  }

  async function repositoriesOf({ repository }: ImagePattern): Promise<readonly Repository[]> {
    if (repository !== undefined) return [{ upstream: repository.upstream, repository: repository.name }]
    return query<Repository>(
      `SELECT DISTINCT upstream, repository FROM entrepot_links
       UNION SELECT DISTINCT upstream, repository FROM entrepot_tags`,
    )
  }

  async function purgeTags(repository: RepositoryName, pattern: ImagePattern): Promise<void> {
    const rows = await query<{ tag: string; digest: Digest | null }>(
      'SELECT tag, digest FROM entrepot_tags WHERE upstream = $1 AND repository = $2',
      [repository.upstream, repository.name],
    )
    const matching = rows.filter(
      ({ tag, digest }) => digest === null || pattern.matches({ repository, tag, digest }),
    )
    await tags.purge(matching.map(({ tag }) => ({ repository, tag })))
  }
}
