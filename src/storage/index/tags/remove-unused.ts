import type { Digest } from '../../../oci/digest.ts'
import type { ImageName, ImagePattern } from '../../../oci/image-pattern.ts'
import type { Retention } from '../../../ports/time.ts'
import { pinnedBy } from '../../operations/pinned-by.ts'
import { inBatches } from '../in-slices.ts'
import type { IndexAccess } from '../index-access.ts'
import type { Statements } from '../sql.ts'

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

type IsRetained = (row: TagRow, until: number) => boolean

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
  const isRetained: IsRetained = (row, until) => {
    if (retained.length === 0) return false
    const image = imageOf(row)
    const rule = retained.find(({ match }) => match.matches(image))
    return rule !== undefined && until >= now - rule.keep
  }
  let count = 0
  await inBatches(
    query,
    function* (sql) {
      const isPinned = pinnedBy(sql, pinned)
      for (const rows of unusedTags(sql, instant)) {
        yield rows.filter(
          (row) => !keep(row.upstream) && !isPinned(imageOf(row)) && !isRetained(row, row.lastUsed),
        )
      }
    },
    async (tags) => {
      count += tags.length
      await changeAll(tags, (sql, { upstream, repository, tag }) => {
        sql.removeTag.run(upstream, repository, tag)
      })
    },
  )
  await inBatches(
    query,
    (sql) => unknownChanges(sql, instant, isRetained),
    (changes) => changeAll(changes, (sql, id) => void sql.removeChange.run(id)),
  )
  return count
}

function* unusedTags(sql: Statements, instant: number): Generator<readonly UnusedRow[], void> {
  for (let last: UnusedRow | undefined; ;) {
    const after = last ? [last.lastUsed, last.upstream, last.repository, last.tag] : [-1, '', '', '']
    const rows = sql.oldTags.all(instant, ...after) as unknown as readonly UnusedRow[]
    last = rows.at(-1)
    if (last === undefined) return
    yield rows
  }
}

/** The changes before an instant of tags that are not known any more, but for those that a rule keeps. */
function* unknownChanges(
  sql: Statements,
  instant: number,
  isRetained: IsRetained,
): Generator<readonly number[], void> {
  for (let id = 0; ; id += STEP) {
    const next = sql.nextChange.get(id)
    if (next === undefined) return
    id = Number(next['id'])
    const rows = sql.oldHistory.all(id, id + STEP, instant) as unknown as readonly ChangeRow[]
    yield rows.filter((row) => row.until === null || !isRetained(row, row.until)).map((row) => row.id)
  }
}

function imageOf({ upstream, repository, tag, digest }: TagRow): ImageName {
  return { repository: { upstream, name: repository }, tag, digest }
}
