import type { Digest } from '../../oci/digest.ts'
import type { ImagePattern } from '../../oci/image-pattern.ts'
import type { TagChange, TagEntry, TagHistory, TagIndex, TagUses } from '../../ports/metadata.ts'
import { pinnedBy } from '../operations/pinned-by.ts'
import type { IndexAccess } from './index-access.ts'
import type { UsageLog } from './usage-log.ts'

export interface TagIndexOptions extends Pick<IndexAccess, 'query' | 'transact'> {
  readonly uses: Pick<UsageLog<[string, string, string]>, 'note' | 'flush'>
  /** Images whose tags are kept even when nobody uses them. */
  readonly pinned: readonly ImagePattern[]
  /** Epoch milliseconds. */
  readonly now: () => number
}

interface TagRow {
  readonly upstream: string
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
}

export function tagIndex(options: TagIndexOptions): TagIndex & TagUses & TagHistory {
  const { query, transact, uses, pinned, now } = options
  return {
    get: ({ upstream, name }, tag) =>
      query((sql) => {
        const entry = sql.findTag.get(upstream, name, tag) as TagEntry | undefined
        if (entry !== undefined) uses.note([upstream, name, tag])
        return entry && { digest: entry.digest, checkedAt: entry.checkedAt }
      }),
    use: ({ upstream, name }, tag) => uses.note([upstream, name, tag]),
    set: ({ upstream, name }, tag, { digest, checkedAt }) =>
      transact((sql) => {
        sql.setTag.run(upstream, name, tag, digest, checkedAt, now())
        if (sql.hasVanished.get(digest) !== undefined) sql.setVanished.run(digest, 0)
        const last = sql.lastChange.get(upstream, name, tag) as { digest: Digest } | undefined
        if (last?.digest === digest) return
        sql.addChange.run(upstream, name, tag, checkedAt, digest)
        sql.trimHistory.run(upstream, name, tag)
      }),
    remove: ({ upstream, name }, tag) =>
      transact((sql) => {
        const entry = sql.findTag.get(upstream, name, tag) as TagEntry | undefined
        if (entry !== undefined) sql.setVanished.run(entry.digest, 1)
        sql.removeTag.run(upstream, name, tag)
      }),
    async removeUnusedSince(instant) {
      await uses.flush()
      return transact((sql) => {
        const isPinned = pinnedBy(sql, pinned)
        const old = (sql.oldTags.all(instant) as unknown as TagRow[]).filter(
          ({ upstream, repository: name, ...image }) =>
            !isPinned({ repository: { upstream, name }, ...image }),
        )
        for (const { upstream, repository, tag } of old) sql.removeTag.run(upstream, repository, tag)
        sql.removeOldHistory.run(instant)
        return old.length
      })
    },
    history: ({ upstream, name }, tag) =>
      query((sql) =>
        (sql.history.all(upstream, name, tag) as unknown as TagChange[]).map(({ at, digest }) => ({
          at,
          digest,
        })),
      ),
  }
}
