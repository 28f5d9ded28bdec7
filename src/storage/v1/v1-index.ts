import type { Digest } from '../../oci/digest.ts'
import type { V1Content, V1Index } from '../../ports/v1-images.ts'
import type { IndexAccess } from '../index/index-access.ts'
import { ignoreStorageError } from '../storage-operation.ts'

/** Milliseconds. */
const KEPT_FOR = 90 * 86_400_000

/** Remembers in the index. `now`: epoch milliseconds. */
export function v1Index(
  { query, transact }: Pick<IndexAccess, 'query' | 'transact'>,
  now: () => number,
): V1Index {
  return {
    find: ({ endpoint, repository }, kind, id) =>
      query((sql) => contentOf(sql.v1ById.get(endpoint, repository, kind, id, now() - KEPT_FOR))).catch(
        ignoreStorageError,
      ),
    findDigest: ({ endpoint, repository }, kind, digest) =>
      query((sql) =>
        contentOf(sql.v1ByDigest.get(endpoint, repository, kind, digest, now() - KEPT_FOR)),
      ).catch(ignoreStorageError),
    add: ({ endpoint, repository }, kind, { id, digest, size }) =>
      transact((sql) => {
        sql.addV1.run(endpoint, repository, kind, id, digest, size, now())
        sql.removeOldV1.run(now() - KEPT_FOR)
      }).catch(ignoreStorageError),
    forget: ({ endpoint, repository }, kind, id) =>
      transact((sql) => {
        sql.forgetV1.run(endpoint, repository, kind, id)
      }).catch(ignoreStorageError),
  }
}

function contentOf(row: Record<string, unknown> | undefined): V1Content | undefined {
  return row && { id: String(row['id']), digest: row['digest'] as Digest, size: Number(row['size']) }
}
