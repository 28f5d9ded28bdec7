import type { Digest } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/errors.ts'
import { SHARED_INDEX } from '../../ports/cluster.ts'
import type { Pin } from '../../ports/operations.ts'
import type { TrustedDigest } from '../../ports/time.ts'
import type { Statements } from '../database.ts'

/** What operators have told any replica, in the database. Every method throws RegistryError STORAGE. */
export interface SharedLists {
  /** Names the database: another one has other lists. */
  identity(): Promise<string>
  readonly pins: {
    list(): Promise<readonly Required<Pin>[]>
    /** @returns whether it is new */
    add(...pins: readonly Required<Pin>[]): Promise<boolean>
    remove(pattern: string): Promise<boolean>
  }
  readonly trusted: {
    list(): Promise<readonly TrustedDigest[]>
    add(...trusted: readonly TrustedDigest[]): Promise<'added' | 'known' | 'full'>
    remove(trusted: Omit<TrustedDigest, 'addedAt'>): Promise<boolean>
  }
}

/** Trusted digests that are kept. */
const MOST_TRUSTED = 1_000

/** Tells the other replicas of a change in the statement that makes it: what is done is told. */
const TOLD = `told AS (INSERT INTO entrepot_news (origin, kind, body) SELECT $1, 'lists', '{}' FROM changed LIMIT 1)
  SELECT count(*)::int AS count, pg_notify('entrepot', '') FROM changed`

/** @param id names this process */
export function sharedLists({ query, toShared, fromShared }: Statements, id: string): SharedLists {
  async function change(statement: string, ...values: readonly unknown[]): Promise<boolean> {
    const [row] = await query<{ count: number }>(`WITH changed AS (${statement} RETURNING 1), ${TOLD}`, [
      id,
      ...values,
    ])
    return row!.count > 0
  }

  return {
    async identity() {
      const [row] = await query<{ id: string }>('SELECT id FROM entrepot_identity')
      if (row === undefined)
        throw new RegistryError('STORAGE', { operation: SHARED_INDEX, reason: 'emptied' })
      return row.id
    },
    pins: {
      async list() {
        const rows = await query<{ pattern: string; at: number }>(
          'SELECT pattern, added_at::float8 AS at FROM entrepot_pins ORDER BY added_at, pattern',
        )
        return rows.map(({ pattern, at }) => ({ pattern, addedAt: fromShared(at) }))
      },
      add: (...pins) =>
        change(
          `INSERT INTO entrepot_pins SELECT * FROM unnest($2::text[], $3::bigint[]) ON CONFLICT DO NOTHING`,
          pins.map(({ pattern }) => pattern),
          pins.map(({ addedAt }) => toShared(addedAt!)),
        ),
      remove: (pattern) => change('DELETE FROM entrepot_pins WHERE pattern = $2', pattern),
    },
    trusted: {
      async list() {
        const rows = await query<TrustedRow>(
          `SELECT upstream, repository, digest, added_at::float8 AS at FROM entrepot_trusted
           ORDER BY upstream, repository, digest`,
        )
        return rows.map(({ upstream, repository, digest, at }) => ({
          repository: { upstream, name: repository },
          digest,
          addedAt: fromShared(at),
        }))
      },
      async add(...trusted) {
        const isNew = await change(
          `INSERT INTO entrepot_trusted SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[])
           LIMIT greatest(0, ${MOST_TRUSTED} - (SELECT count(*) FROM entrepot_trusted)) ON CONFLICT DO NOTHING`,
          ...columnsOf(trusted),
          trusted.map(({ addedAt }) => toShared(addedAt)),
        )
        if (isNew) return 'added'
        const [row] = await query<{ known: boolean }>(
          `SELECT EXISTS (SELECT FROM entrepot_trusted t JOIN
             unnest($1::text[], $2::text[], $3::text[]) AS of(upstream, repository, digest)
             USING (upstream, repository, digest)) AS known`,
          columnsOf(trusted),
        )
        return row!.known ? 'known' : 'full'
      },
      remove: ({ repository: { upstream, name }, digest }) =>
        change(
          'DELETE FROM entrepot_trusted WHERE upstream = $2 AND repository = $3 AND digest = $4',
          upstream,
          name,
          digest,
        ),
    },
  }
}

interface TrustedRow {
  readonly upstream: string
  readonly repository: string
  readonly digest: Digest
  readonly at: number
}

function columnsOf(trusted: readonly Omit<TrustedDigest, 'addedAt'>[]): readonly (readonly string[])[] {
  return [
    trusted.map(({ repository }) => repository.upstream),
    trusted.map(({ repository }) => repository.name),
    trusted.map(({ digest }) => digest),
  ]
}
