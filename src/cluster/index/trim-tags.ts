import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { Statements } from '../database.ts'

/** A tag that no replica has checked for long. */
export interface UncheckedTag {
  readonly repository: RepositoryName
  readonly tag: string
  /** What it points to, or pointed to last; undefined when it was never seen. */
  readonly digest: Digest | undefined
  /** Upstream said that it does not exist. */
  readonly isRemoved: boolean
  /** Epoch milliseconds, of this replica. */
  readonly checkedAt: number
}

interface Row {
  readonly upstream: string
  readonly repository: string
  readonly tag: string
  readonly digest: Digest | null
  readonly is_removed: boolean
  readonly checked_at: number
}

/** Rows of one statement, which has to end in time however many tags there are. */
const PAGE = 500

/** Forgets the tags that no replica has checked since an instant, and their past, but for those to keep. */
export async function trimTags(
  { query, toShared, fromShared }: Statements,
  instant: number,
  keep: (tag: UncheckedTag) => boolean,
): Promise<void> {
  const before = toShared(instant)
  const isUnused = ({ upstream, repository, tag, digest, ...row }: Row): boolean =>
    row.checked_at < before &&
    !keep({
      repository: { upstream, name: repository },
      tag,
      digest: digest ?? undefined,
      isRemoved: row.is_removed,
      checkedAt: fromShared(row.checked_at),
    })

  for (let after = ['', '', '']; ;) {
    const page = await query<Row>(
      `SELECT upstream, repository, tag, digest IS NULL AS is_removed, checked_at::float8,
         coalesce(digest, (SELECT l.digest FROM entrepot_tag_log l
           WHERE (l.upstream, l.repository, l.tag) = (t.upstream, t.repository, t.tag)
           ORDER BY id DESC LIMIT 1)) AS digest
       FROM entrepot_tags t WHERE (upstream, repository, tag) > ($1, $2, $3)
       ORDER BY upstream, repository, tag LIMIT ${PAGE}`,
      after,
    )
    const unused = page.filter(isUnused)
    if (unused.length > 0) await remove(unused)
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    after = [last.upstream, last.repository, last.tag]
  }

  async function remove(rows: readonly Row[]): Promise<void> {
    // Another replica may have checked one of them meanwhile.
    await query(
      `WITH gone AS (DELETE FROM entrepot_tags t
         USING unnest($1::text[], $2::text[], $3::text[]) AS f (upstream, repository, tag)
         WHERE (t.upstream, t.repository, t.tag) = (f.upstream, f.repository, f.tag) AND t.checked_at < $4
         RETURNING t.upstream, t.repository, t.tag)
       DELETE FROM entrepot_tag_log l USING gone
         WHERE (l.upstream, l.repository, l.tag) = (gone.upstream, gone.repository, gone.tag)`,
      [
        rows.map(({ upstream }) => upstream),
        rows.map(({ repository }) => repository),
        rows.map(({ tag }) => tag),
        before,
      ],
    )
  }
}
