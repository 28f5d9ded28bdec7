import type { RepositoryName } from '../../../oci/reference.ts'
import type { TagStretch } from '../../../ports/metadata.ts'
import type { SeenAt, SeenTag } from '../../../ports/time.ts'
import type { IndexReader } from '../index-reader.ts'
import type { Statements } from '../sql.ts'
import { type HistoryRow, stretchesIn } from './tag-past.ts'

interface Row extends HistoryRow {
  readonly upstream: string
  readonly repository: string
  readonly tag: string
}

export interface SeenTask {
  readonly instant: number
  /** Left out: all. */
  readonly repository?: RepositoryName | undefined
}

/** Reads the history in the thread of `read`: it may have a million rows. */
export function seenAt(read: IndexReader['read']): SeenAt {
  return async (instant, repository) => {
    const seen: SeenTag[] = []
    for await (const page of read('seen', { instant, repository })) seen.push(...page)
    return seen
  }
}

/** For the thread. */
export function* seenTags(sql: Statements, { instant, repository }: SeenTask): Generator<SeenTag, void> {
  for (const { past, ...tag } of pastOfTags(sql, repository)) {
    const stretch = past.find(({ from }) => from <= instant)
    if (stretch === undefined || (stretch.until !== undefined && stretch.until <= instant)) continue
    yield { ...tag, digest: stretch.digest }
  }
}

/** What is known of one tag after another; of one repository, or of all. */
export function* pastOfTags(
  sql: Statements,
  repository?: RepositoryName,
): Generator<Omit<SeenTag, 'digest'> & { readonly past: readonly TagStretch[] }, void> {
  for (const rows of eachTag(sql, repository)) {
    const { upstream, repository: name, tag } = rows[0]!
    yield { repository: { upstream, name }, tag, past: stretchesIn(rows.toReversed()) }
  }
}

/** The rows of one tag after another, each tag's oldest first. */
function* eachTag(sql: Statements, repository: RepositoryName | undefined): Generator<readonly Row[], void> {
  let rows: Row[] = []
  for (const row of allRows(sql, repository)) {
    const [first] = rows
    if (
      first &&
      (first.tag !== row.tag || first.repository !== row.repository || first.upstream !== row.upstream)
    ) {
      yield rows
      rows = []
    }
    rows.push(row)
  }
  if (rows.length > 0) yield rows
}

function allRows(sql: Statements, repository: RepositoryName | undefined): Iterable<Row> {
  const rows =
    repository === undefined
      ? sql.allHistory.iterate()
      : sql.historyIn.iterate(repository.upstream, repository.name)
  return rows as unknown as Iterable<Row>
}
