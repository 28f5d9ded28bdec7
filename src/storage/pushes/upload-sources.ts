import type { UploadSource, UploadSources } from '../../ports/moving/upload-sources.ts'
import type { IndexAccess } from '../index/index-access.ts'

/** Milliseconds. What was not pushed for so long may not be there any more. */
const KEPT_FOR = 90 * 86_400_000

/** Remembers in the index. `now`: epoch milliseconds. */
export function uploadSources(
  { query, transact }: Pick<IndexAccess, 'query' | 'transact'>,
  now: () => number,
): UploadSources {
  return {
    of: (registry, digest) =>
      query((sql) =>
        (sql.uploadSources.all(registry, digest) as unknown as UploadSource[]).map(
          ({ repository, seal }) => ({
            repository,
            seal,
          }),
        ),
      ),
    add: (registry, digest, { repository, seal }) =>
      transact((sql) => {
        sql.addUploadSource.run(registry, digest, repository, seal, now())
        sql.trimUploadSources.run(registry, digest)
        sql.removeOldUploadSources.run(now() - KEPT_FOR)
      }),
    remove: (registry, digest, repository) =>
      query((sql) => void sql.removeUploadSource.run(registry, digest, repository)),
  }
}
