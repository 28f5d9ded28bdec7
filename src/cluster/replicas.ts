import type { ClusterReport, ReplicaReport } from '../ports/insight/insight.ts'
import type { Database } from './database.ts'
import { ignoreAway } from './ignore-away.ts'

/** The replicas of a cluster, as they tell the database of themselves. */
export interface Replicas extends AsyncDisposable {
  /** Tells the database of this replica now: it may be another one. */
  tell(): Promise<void>
  /**
   * All that were seen within the last hour, by their address; or why nobody can tell.
   */
  report(): Promise<Pick<ClusterReport, 'replicas' | 'trouble'>>
}

export interface ReplicasOptions {
  readonly database: Pick<Database, 'query' | 'trouble'>
  /** Where the others reach this one. A replica that starts again is the same one. */
  readonly address: string
  readonly version: string
  /** So many were seen lately, this one included. */
  readonly counted: (replicas: number) => void
}

/** Milliseconds. Nothing depends on it. */
const TELL_EVERY = 30_000
/** Seconds after which a replica counts as gone. */
const LATELY = 75
/** Dashboards ask again and again. Milliseconds. */
const LIST_AGAIN = 3_000

const SEEN = `WITH told AS (
    INSERT INTO entrepot_replicas (address, version, started_at, seen_at)
    VALUES ($1, $2, clock_timestamp() - $4 * interval '1 millisecond', clock_timestamp())
    ON CONFLICT (address) DO UPDATE SET version = excluded.version, seen_at = excluded.seen_at,
      started_at = CASE WHEN $3 THEN excluded.started_at ELSE entrepot_replicas.started_at END),
  gone AS (DELETE FROM entrepot_replicas WHERE seen_at < clock_timestamp() - interval '1 hour' AND address <> $1)
  SELECT 1 + count(*)::int AS count FROM entrepot_replicas
    WHERE address <> $1 AND seen_at > clock_timestamp() - ${LATELY} * interval '1 second'`

const LIST = `SELECT address, version, started_at AS "startedAt", seen_at AS "seenAt",
    ARRAY(SELECT substr(key, 6) FROM entrepot_leases l WHERE l.address = r.address AND key LIKE 'lead %'
      AND expires_at > clock_timestamp() ORDER BY key) AS leads,
    (SELECT count(*)::int FROM entrepot_leases l WHERE l.address = r.address AND key LIKE 'blob %'
      AND expires_at > clock_timestamp()) AS downloads
  FROM entrepot_replicas r ORDER BY address LIMIT 1000`

type Row = Omit<ReplicaReport, 'startedAt' | 'seenAt' | 'isOwn'> & {
  readonly startedAt: Date
  readonly seenAt: Date
}

export function replicas({ database, address, version, counted }: ReplicasOptions): Replicas {
  const startedAt = performance.now()
  let isFirst = true
  let listed:
    | { readonly at: number; readonly rows: Promise<readonly ReplicaReport[] | undefined> }
    | undefined
  const timer = setInterval(() => void tell(), TELL_EVERY).unref()
  void tell()

  return {
    tell,
    async report() {
      if (listed === undefined || performance.now() - listed.at > LIST_AGAIN) {
        listed = { at: performance.now(), rows: read() }
      }
      const rows = await listed.rows
      return rows ? { replicas: rows, trouble: null } : { replicas: null, trouble: database.trouble ?? null }
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await database.query('DELETE FROM entrepot_replicas WHERE address = $1', [address]).catch(ignoreAway)
    },
  }

  async function tell(): Promise<void> {
    const age = Math.round(performance.now() - startedAt)
    const rows = await database
      .query<{ count: number }>(SEEN, [address, version, isFirst, age])
      .catch(ignoreAway)
    if (rows === undefined) return
    isFirst = false
    counted(rows[0]!.count)
  }

  async function read(): Promise<readonly ReplicaReport[] | undefined> {
    const rows = await database.query<Row>(LIST).catch(ignoreAway)
    return rows?.map((row) => ({
      address: row.address,
      isOwn: row.address === address,
      version: row.version,
      startedAt: row.startedAt.toISOString(),
      seenAt: row.seenAt.toISOString(),
      leads: row.leads,
      downloads: row.downloads,
    }))
  }
}
