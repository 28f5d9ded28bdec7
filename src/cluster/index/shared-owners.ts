import type { RepositoryName } from '../../oci/reference.ts'
import type { OwnedThing } from '../../ports/endpoint-owners.ts'
import type { Statements } from '../database.ts'

/** Which endpoints own what, for all replicas. Every method throws RegistryError STORAGE. */
export interface SharedOwners {
  get(repository: RepositoryName, thing: OwnedThing): Promise<string | undefined>
  /** Does nothing where another endpoint than `replaced` owns it. */
  claim(repository: RepositoryName, thing: OwnedThing, url: string, replaced?: string): Promise<void>
  /** Of tags, and with them of the lists of their repositories. */
  forget(tags: readonly { readonly repository: RepositoryName; readonly tag: string }[]): Promise<void>
  /** Removes what is too old, and what is too much. */
  trim(): Promise<void>
}

/** Milliseconds, as in `storage/index/endpoint-owners.ts`. */
const KEPT_FOR = 90 * 86_400_000
const WRITTEN_EVERY = 86_400_000
const MOST = 1_000_000

export function sharedOwners({ query, toShared }: Statements, now: () => number): SharedOwners {
  const ago = (milliseconds: number): number => Math.round(toShared(now()) - milliseconds)

  return {
    async get({ upstream, name }, thing) {
      const [row] = await query<{ url: string }>(
        `SELECT url FROM entrepot_endpoint_owners
         WHERE upstream = $1 AND repository = $2 AND thing = $3 AND at > $4`,
        [upstream, name, thing, ago(KEPT_FOR)],
      )
      return row?.url
    },
    async claim({ upstream, name }, thing, url, replaced) {
      await query(
        `INSERT INTO entrepot_endpoint_owners AS o VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (upstream, repository, thing) DO UPDATE SET url = excluded.url, at = excluded.at
           WHERE o.at <= $6 OR (o.url = excluded.url AND o.at < $7) OR o.url = $8`,
        [upstream, name, thing, url, ago(0), ago(KEPT_FOR), ago(WRITTEN_EVERY), replaced ?? null],
      )
    },
    async forget(tags) {
      if (tags.length === 0) return
      await query(
        `DELETE FROM entrepot_endpoint_owners o
         USING unnest($1::text[], $2::text[], $3::text[]) AS f (upstream, repository, tag)
         WHERE o.upstream = f.upstream AND o.repository = f.repository
           AND o.thing IN ('tags', 'tag ' || f.tag)`,
        [
          tags.map(({ repository }) => repository.upstream),
          tags.map(({ repository }) => repository.name),
          tags.map(({ tag }) => tag),
        ],
      )
    },
    async trim() {
      await query(
        `DELETE FROM entrepot_endpoint_owners WHERE at <= greatest($1,
           (SELECT at FROM entrepot_endpoint_owners ORDER BY at DESC OFFSET ${MOST} LIMIT 1))`,
        [ago(KEPT_FOR)],
      )
    },
  }
}
