import type { Digest } from '../../../oci/digest.ts'
import type { ImageName, ImagePattern } from '../../../oci/image-pattern.ts'
import type { Retention } from '../../../ports/time.ts'
import { pinnedBy } from '../../operations/pinned-by.ts'
import { eachRow, inSlices } from '../in-slices.ts'
import type { IndexAccess } from '../index-access.ts'

export interface RemoveUnusedOptions extends Pick<IndexAccess, 'query' | 'changeAll'> {
  readonly pinned: readonly ImagePattern[]
  readonly retained: readonly Retention[]
  /** Epoch milliseconds. */
  readonly now: number
}

interface TagRow {
  readonly upstream: string
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
}

interface UnusedRow extends TagRow {
  readonly lastUsed: number
}

interface ChangeRow extends TagRow {
  readonly id: number
  /** null = the tag was forgotten while it pointed to the digest. */
  readonly until: number | null
}

/** Rows of the history that are looked at in one step. */
const STEP = 50

/**
 * Forgets the tags that were not used since an instant, and the older history of tags that are not known any
 * more. Both are kept for longer where a rule says so: a tag as long as it was used within the time of the
 * rule, a change until that time has passed since its end.
 *
 * @returns how many tags
 */
export async function removeUnused(
  { query, changeAll, pinned, retained, now }: RemoveUnusedOptions,
  instant: number,
  keep: (upstream: string) => boolean,
): Promise<number> {
  const isRetained = (image: ImageName, until: number): boolean => {
    const rule = retained.find(({ match }) => match.matches(image))
    return rule !== undefined && until >= now - rule.keep
  }
  const old = await inSlices(query, function* (sql) {
    const isPinned = pinnedBy(sql, pinned)
    const found: TagRow[] = []
    yield* eachRow<UnusedRow>(
      (last) =>
        sql.oldTags.all(
          instant,
          ...(last ? [last.lastUsed, last.upstream, last.repository, last.tag] : [-1, '', '', '']),
        ),
      (row) => {
        const image = imageOf(row)
        if (keep(row.upstream) || isPinned(image) || isRetained(image, row.lastUsed)) return
        found.push(row)
      },
    )
    return found
  })
  await changeAll(old, (sql, { upstream, repository, tag }) => {
    sql.removeTag.run(upstream, repository, tag)
  })
  if (retained.length === 0) await removeHistory(query, instant)
  else await removeHistoryBut(query, changeAll, instant, isRetained)
  return old.length
}

async function removeHistory(query: IndexAccess['query'], instant: number): Promise<void> {
  await inSlices(query, function* (sql) {
    for (let id = 0; ; id += STEP) {
      const next = sql.nextChange.get(id)
      if (next === undefined) return
      id = Number(next['id'])
      sql.removeOldHistory.run(id, id + STEP, instant)
      yield
    }
  })
}

async function removeHistoryBut(
  query: IndexAccess['query'],
  changeAll: IndexAccess['changeAll'],
  instant: number,
  isRetained: (image: ImageName, until: number) => boolean,
): Promise<void> {
  const old: number[] = []
  await inSlices(query, function* (sql) {
    for (let id = 0; ; id += STEP) {
      const next = sql.nextChange.get(id)
      if (next === undefined) return
      id = Number(next['id'])
      const rows = sql.oldHistory.all(id, id + STEP, instant) as unknown as readonly ChangeRow[]
      for (const row of rows) if (row.until === null || !isRetained(imageOf(row), row.until)) old.push(row.id)
      yield
    }
  })
  await changeAll(old, (sql, id) => {
    sql.removeChange.run(id)
  })
}

function imageOf({ upstream, repository, tag, digest }: TagRow): ImageName {
  return { repository: { upstream, name: repository }, tag, digest }
}
