import type { Outage } from '../ports/cluster.ts'
import type { Statements } from './database.ts'

/** What one replica tells all others once. */
export type Notice =
  /** Upstream said that it does not exist; `key` as in `cache/keys.ts`, for so many milliseconds from now. */
  | { readonly kind: 'absent'; readonly key: string; readonly duration: number }
  /** The rate limit of an upstream is nearly used up, for so many milliseconds; 0: no more. */
  | { readonly kind: 'scarce'; readonly upstream: string; readonly duration: number }
  /** Somebody purged what a pattern matches. */
  | { readonly kind: 'purged'; readonly pattern: string }
  /** What operators keep has changed: pins or trusted digests. */
  | { readonly kind: 'lists' }
  /** There were too many runs, and these were forgotten. */
  | { readonly kind: 'runs forgotten'; readonly runs: readonly string[] }
  /** A replica finds that something of an upstream is out, or that it answers again. */
  | ({ readonly kind: 'outage' } & Outage)

/**
 * What is left of a notice that was told so many milliseconds ago.
 *
 * @returns undefined when it is over
 */
export function stillHolds(notice: Notice, age: number): Notice | undefined {
  if (notice.kind !== 'absent' && notice.kind !== 'scarce') return notice
  // It says that something is over.
  if (notice.duration <= 0) return notice
  const duration = notice.duration - Math.max(0, age)
  return duration > 0 ? { ...notice, duration } : undefined
}

/**
 * Tells all replicas but the process of this `id`.
 *
 * @returns when, in milliseconds of the database's clock @throws RegistryError STORAGE
 */
export async function publish(
  { query }: Pick<Statements, 'query'>,
  id: string,
  { kind, ...body }: Notice,
): Promise<number> {
  const [row] = await query<{ at: number }>(
    `WITH told AS (INSERT INTO entrepot_news (origin, kind, body) VALUES ($1, $2, $3) RETURNING at)
     SELECT (extract(epoch FROM at) * 1000)::float8 AS at, pg_notify('entrepot', '') FROM told`,
    [id, kind, JSON.stringify(body)],
  )
  return row!.at
}
