import { isRegistryError, RegistryError } from '../../oci/errors.ts'
import type { Repository } from '../../ports/repository.ts'
import type { Runs } from '../../ports/time.ts'
import { whenKnown } from '../../util/async/maybe.ts'

export interface RunOptions {
  readonly runs: Pick<Runs, 'chosen' | 'choose' | 'pulled'>
  /** Epoch milliseconds. */
  readonly now: () => number
}

/**
 * A repository as one run sees it: what a tag was resolved to first is what every job gets. A choice that
 * cannot be read or written fails the pull, as two jobs might get two digests.
 */
export function repositoryInRun({ runs, now }: RunOptions, repository: Repository, run: string): Repository {
  const { name, tags, manifests } = repository
  return {
    ...repository,
    tags: {
      list: (page, options) => tags.list(page, options),
      async resolve(tag, options) {
        const before = await runs.chosen(run, name, tag)
        if (before !== undefined) {
          options?.report?.({ result: 'hit', detail: 'run' })
          return before
        }
        const digest = await tags.resolve(tag, options)
        if (digest === undefined) return undefined
        const client = options?.client ?? ''
        const chosen = await runs.choose(run, client, { repository: name, tag, digest, at: now() })
        if (chosen === 'full')
          throw new RegistryError('DENIED', { reason: 'the run has as many tags as a run may have' })
        if (chosen !== digest) options?.report?.({ result: 'hit', detail: 'run' })
        return chosen
      },
    },
    manifests: {
      get: (digest, options) =>
        whenKnown(manifests.get(digest, options), (manifest) => {
          if (manifest !== undefined) void runs.pulled(run, name, digest).catch(ignoreStorage)
          return manifest
        }),
    },
  }
}

/** What a run has pulled is told, and decides nothing. The store has counted the failure. */
function ignoreStorage(error: unknown): void {
  if (!isRegistryError(error, 'STORAGE')) throw error
}
