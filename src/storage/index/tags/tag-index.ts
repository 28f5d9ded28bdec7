import type { Digest } from '../../../oci/digest.ts'
import type { ImagePattern } from '../../../oci/image-pattern.ts'
import type {
  TagEntry,
  TagHistory,
  TagIndex,
  TagNames,
  TagPast,
  TagPeek,
  TagUses,
} from '../../../ports/metadata.ts'
import { closureOf } from '../../operations/content-walk.ts'
import { pinnedBy } from '../../operations/pinned-by.ts'
import { eachRow, inSlices } from '../in-slices.ts'
import type { IndexAccess } from '../index-access.ts'
import type { Statements } from '../sql.ts'
import type { UsageLog } from '../usage-log.ts'
import { changesIn, type HistoryRow, stretchesIn } from './tag-past.ts'

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

export function tagIndex(
  options: TagIndexOptions,
): TagIndex & TagUses & TagHistory & TagPast & TagPeek & TagNames {
  const { query, transact, changeAll, uses, settled, pinned, now } = options
  return {
    get: ({ upstream, name }, tag) =>
      query((sql) => {
        const entry = find(sql, upstream, name, tag)
        if (entry !== undefined) uses.note([upstream, name, tag])
        return entry
      }),
    peek: ({ upstream, name }, tag) => query((sql) => find(sql, upstream, name, tag)),
    names: ({ upstream, name }) =>
      inSlices(query, function* (sql) {
        const names: string[] = []
        yield* eachRow<{ readonly tag: string }>(
          (last) => sql.taggedImagesIn.all(upstream, name, last?.tag ?? ''),
          ({ tag }) => void names.push(tag),
        )
        return names
      }),
    use: ({ upstream, name }, tag) => uses.note([upstream, name, tag]),
    async set({ upstream, name }, tag, { digest, checkedAt, goneAt = null }) {
      const vanished = goneAt === null ? 0 : 1
      const isMarked = await transact((sql) => {
        sql.setTag.run(upstream, name, tag, digest, checkedAt, now(), goneAt)
        const last = sql.lastChange.get(upstream, name, tag) as Omit<HistoryRow, 'at'> | undefined
        if (goneAt !== null) sql.endChange.run(upstream, name, tag, goneAt)
        else if (last?.digest !== digest || last.endedAt !== null) {
          sql.addChange.run(upstream, name, tag, checkedAt, digest)
          sql.endFirst.run(upstream, name, tag)
          sql.trimHistory.run(upstream, name, tag)
        }
        return Number(sql.setVanished.run(digest, vanished).changes) === 0
      })
      if (!isMarked) await markVanished(digest, vanished)
    },
    async remove({ upstream, name }, tag) {
      const entry = await query((sql) => find(sql, upstream, name, tag))
      if (entry !== undefined) await markVanished(entry.digest, 1)
      await transact((sql) => {
        sql.endChange.run(upstream, name, tag, now())
        sql.removeTag.run(upstream, name, tag)
      })
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
      query((sql) => changesIn(sql.history.all(upstream, name, tag) as unknown as HistoryRow[])),
    past: ({ upstream, name }, tag) =>
      query((sql) => stretchesIn(sql.history.all(upstream, name, tag) as unknown as HistoryRow[])),
  }

  /** Marks the content of a tag: its manifest and everything below it. */
  async function markVanished(digest: Digest, vanished: 0 | 1): Promise<void> {
    const content = await inSlices(query, (sql) => closureOf(sql, [digest]))
    await changeAll([...content], (sql, each) => {
      sql.setVanished.run(each, vanished)
    })
  }
}

function find(sql: Statements, upstream: string, name: string, tag: string): TagEntry | undefined {
  const row = sql.findTag.get(upstream, name, tag) as
    | { readonly digest: Digest; readonly checkedAt: number; readonly goneAt: number | null }
    | undefined
  if (row === undefined) return undefined
  const { digest, checkedAt, goneAt } = row
  return goneAt === null ? { digest, checkedAt } : { digest, checkedAt, goneAt }
}
