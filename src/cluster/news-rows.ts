export const PAGE = 1_000

/** What is new since an instant of the database's clock, and not told by one process. */
export const NEWS = `WITH found AS (
    SELECT changed_at AS at, 'tag' AS kind, upstream || ' ' || repository || ' ' || tag AS id,
      jsonb_build_object('upstream', upstream, 'repository', repository, 'tag', tag, 'digest', digest,
        'checked_at', checked_at, 'gone_at', gone_at) AS body
      FROM entrepot_tags WHERE changed_at > to_timestamp($1::float8 / 1000)
    UNION ALL SELECT at, kind, id::text, body
      FROM entrepot_news WHERE at > to_timestamp($1::float8 / 1000) AND origin <> $2)
  SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now,
    (SELECT id FROM entrepot_identity) AS database,
    (extract(epoch FROM at) * 1000)::float8 AS at, at::text AS exact, kind, id, body
  FROM (SELECT 1) one LEFT JOIN found ON true ORDER BY found.at LIMIT ${PAGE}`

/** Removes news and leases that are of no use to anybody any more. */
export const REMOVE_OLD = `WITH old AS (DELETE FROM entrepot_news WHERE at < clock_timestamp() - interval '3 hours')
  DELETE FROM entrepot_leases WHERE expires_at < clock_timestamp() - interval '1 hour'`

export interface NewsRow {
  readonly now: number
  /** Which database it is. null = its rows are gone. */
  readonly database: string | null
  /** null = there is nothing new, and this is only the time. */
  readonly at: number | null
  readonly exact: string
  readonly kind: string
  readonly id: string
  readonly body: Readonly<Record<string, unknown>>
}
