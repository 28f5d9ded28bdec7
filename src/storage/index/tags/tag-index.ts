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
import type { Retention } from '../../../ports/time.ts'
import { closureOf } from '../../operations/content-walk.ts'
import { eachRow, inSlices } from '../in-slices.ts'
import type { IndexAccess } from '../index-access.ts'
import type { Statements } from '../sql.ts'
import type { UsageLog } from '../usage-log.ts'
import { removeUnused } from './remove-unused.ts'
import { changesIn, type HistoryRow, stretchesIn } from './tag-past.ts'

export interface TagIndexOptions extends Pick<IndexAccess, 'query' | 'transact' | 'changeAll'> {
  readonly uses: Pick<UsageLog<[string, string, string]>, 'note' | 'flush'>
  /** Resolves when no instants are about to be moved. */
  readonly settled: () => Promise<void>
  /** Images whose tags are kept even when nobody uses them. */
  readonly pinned: readonly ImagePattern[]
  /** Images of which the past is kept, and for how long. */
  readonly retained: () => readonly Retention[]
  /** Called with what a tag points to when that has changed. */
  readonly moved: (digest: Digest) => void
  /** Epoch milliseconds. */
  readonly now: () => number
}

export function tagIndex(
  options: TagIndexOptions,
): TagIndex & TagUses & TagHistory & TagPast & TagPeek & TagNames {
  const { query, transact, changeAll, uses, settled, pinned, retained, moved, now } = options
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
          moved(digest)
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
      return removeUnused({ query, changeAll, pinned, retained: retained(), now: now() }, instant, keep)
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
