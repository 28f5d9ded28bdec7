import type { Digest } from '../../../oci/digest.ts'
import type { ImagePattern } from '../../../oci/image-pattern.ts'
import type { TagChange, TagEntry, TagHistory, TagIndex, TagPeek, TagUses } from '../../../ports/metadata.ts'
import { closureOf } from '../../operations/content-walk.ts'
import { pinnedBy } from '../../operations/pinned-by.ts'
import { eachRow, inSlices } from '../in-slices.ts'
import type { IndexAccess } from '../index-access.ts'
import type { UsageLog } from '../usage-log.ts'

export interface TagIndexOptions extends Pick<IndexAccess, 'query' | 'transact' | 'changeAll'> {
  readonly uses: Pick<UsageLog<[string, string, string]>, 'note' | 'flush'>
  /** Resolves when no instants are about to be moved. */
  readonly settled: () => Promise<void>
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
  readonly lastUsed: number
}

/** Rows of the history that are looked at in one step. */
const HISTORY_STEP = 200

export function tagIndex(options: TagIndexOptions): TagIndex & TagUses & TagHistory & TagPeek {
  const { query, transact, changeAll, uses, settled, pinned, now } = options
  return {
    get: ({ upstream, name }, tag) =>
      query((sql) => {
        const entry = sql.findTag.get(upstream, name, tag) as TagEntry | undefined
        if (entry !== undefined) uses.note([upstream, name, tag])
        return entry && { digest: entry.digest, checkedAt: entry.checkedAt }
      }),
    peek: ({ upstream, name }, tag) =>
      query((sql) => {
        const entry = sql.findTag.get(upstream, name, tag) as TagEntry | undefined
        return entry && { digest: entry.digest, checkedAt: entry.checkedAt }
      }),
    use: ({ upstream, name }, tag) => uses.note([upstream, name, tag]),
    async set({ upstream, name }, tag, { digest, checkedAt }) {
      const hasVanished = await transact((sql) => {
        sql.setTag.run(upstream, name, tag, digest, checkedAt, now())
        const last = sql.lastChange.get(upstream, name, tag) as { digest: Digest } | undefined
        if (last?.digest !== digest) {
          sql.addChange.run(upstream, name, tag, checkedAt, digest)
          sql.trimHistory.run(upstream, name, tag)
        }
        return Number(sql.setVanished.run(digest, 0).changes) > 0
      })
      if (hasVanished) await markVanished(digest, 0)
    },
    async remove({ upstream, name }, tag) {
      const entry = await query((sql) => sql.findTag.get(upstream, name, tag) as TagEntry | undefined)
      if (entry !== undefined) await markVanished(entry.digest, 1)
      await query((sql) => void sql.removeTag.run(upstream, name, tag))
    },
    async removeUnusedSince(instant, keep = () => false) {
      await settled()
      await uses.flush()
      const old = await inSlices(query, function* (sql) {
        const isPinned = pinnedBy(sql, pinned)
        const found: TagRow[] = []
        yield* eachRow<TagRow>(
          (last) =>
            sql.oldTags.all(
              instant,
              ...(last ? [last.lastUsed, last.upstream, last.repository, last.tag] : [-1, '', '', '']),
            ),
          (row) => {
            const { upstream, repository: name, tag, digest } = row
            if (!keep(upstream) && !isPinned({ repository: { upstream, name }, tag, digest })) found.push(row)
          },
        )
        return found
      })
      await changeAll(old, (sql, { upstream, repository, tag }) => {
        sql.removeTag.run(upstream, repository, tag)
      })
      await inSlices(query, function* (sql) {
        for (let id = 0; ; id += HISTORY_STEP) {
          const next = sql.nextChange.get(id)
          if (next === undefined) return
          id = Number(next['id'])
          sql.removeOldHistory.run(id, id + HISTORY_STEP, instant)
          yield
        }
      })
      return old.length
    },
    history: ({ upstream, name }, tag) =>
      query((sql) =>
        (sql.history.all(upstream, name, tag) as unknown as TagChange[]).map(({ at, digest }) => ({
          at,
          digest,
        })),
      ),
  }

  /** Marks the content of a tag: its manifest and everything below it. */
  async function markVanished(digest: Digest, vanished: 0 | 1): Promise<void> {
    const content = await inSlices(query, (sql) => closureOf(sql, [digest]))
    await changeAll([...content], (sql, each) => {
      sql.setVanished.run(each, vanished)
    })
  }
}
