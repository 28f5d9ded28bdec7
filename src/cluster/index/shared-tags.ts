import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { SharedTag } from '../../ports/cluster.ts'
import type { TagEntry } from '../../ports/metadata.ts'
import type { Statements } from '../database.ts'
import { trimTags, type UncheckedTag } from './trim-tags.ts'

/** What was seen of a tag, the oldest first. */
export interface TagSight {
  readonly at: number
  readonly digest: Digest
  readonly goneAt?: number | undefined
}

/** The tags of all replicas. Every method throws RegistryError STORAGE. Instants are this replica's. */
export interface SharedTags {
  find(repository: RepositoryName, tag: string): Promise<SharedTag | undefined>
  /** The past of a tag. */
  log(repository: RepositoryName, tag: string): Promise<readonly TagSight[]>
  /** An entry that was checked earlier than the one that is known changes nothing. */
  set(repository: RepositoryName, tag: string, entry: TagEntry): Promise<void>
  remove(repository: RepositoryName, tag: string, at: number): Promise<void>
  /** Forgets a tag and its past, without a trace. */
  purge(tags: readonly { readonly repository: RepositoryName; readonly tag: string }[]): Promise<void>
  /** Forgets tags that no replica has checked since an instant, and their past, but for those to keep. */
  trim(instant: number, keep: (tag: UncheckedTag) => boolean): Promise<void>
}

export interface TagRow {
  readonly digest: Digest | null
  readonly checked_at: number
  readonly gone_at: number | null
}

const OF_TAG = 'upstream = $1 AND repository = $2 AND tag = $3'
const LAST = `last AS (SELECT id, digest, gone_at FROM entrepot_tag_log WHERE ${OF_TAG} ORDER BY id DESC LIMIT 1)`
const ENTRY = `entry AS (
  INSERT INTO entrepot_tags (upstream, repository, tag, digest, checked_at, gone_at, changed_at)
  VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())
  ON CONFLICT (upstream, repository, tag) DO UPDATE
    SET digest = excluded.digest, checked_at = excluded.checked_at, gone_at = excluded.gone_at,
        changed_at = excluded.changed_at
    WHERE entrepot_tags.checked_at <= excluded.checked_at RETURNING 1)`
/** Wakes those that listen. */
const NOTIFY = "SELECT pg_notify('entrepot', '')"
/** How many sights of one tag are kept, its first one included. */
const SIGHTS = 100
/** All but the first one and the latest, where one was added that this statement does not see yet. */
const TOO_MANY = `too_many AS (DELETE FROM entrepot_tag_log WHERE ${OF_TAG} AND EXISTS (SELECT FROM added)
  AND id > (SELECT min(id) FROM entrepot_tag_log WHERE ${OF_TAG})
  AND id <= (SELECT id FROM entrepot_tag_log WHERE ${OF_TAG} ORDER BY id DESC OFFSET ${SIGHTS - 2} LIMIT 1))`

export function sharedTags(statements: Statements): SharedTags {
  const { query, toShared, fromShared } = statements
  return {
    async find({ upstream, name }, tag) {
      const [row] = await query<TagRow>(
        `SELECT digest, checked_at::float8, gone_at::float8 FROM entrepot_tags WHERE ${OF_TAG}`,
        [upstream, name, tag],
      )
      return row && sharedTagOf(row, fromShared)
    },
    async log({ upstream, name }, tag) {
      const rows = await query<{ at: number; digest: Digest; gone_at: number | null }>(
        `SELECT at::float8, digest, gone_at::float8 FROM entrepot_tag_log WHERE ${OF_TAG} ORDER BY id`,
        [upstream, name, tag],
      )
      return rows.map(({ at, digest, gone_at: goneAt }) => ({
        at: fromShared(at),
        digest,
        goneAt: goneAt === null ? undefined : fromShared(goneAt),
      }))
    },
    async set({ upstream, name }, tag, { digest, checkedAt, goneAt }) {
      await query(
        `WITH ${LAST}, ${ENTRY},
           ended AS (UPDATE entrepot_tag_log SET gone_at = $6 FROM last, entry
             WHERE entrepot_tag_log.id = last.id AND $6::bigint IS NOT NULL AND last.gone_at IS NULL),
           added AS (INSERT INTO entrepot_tag_log (upstream, repository, tag, at, digest)
             SELECT $1, $2, $3, $5, $4 FROM entry WHERE $6::bigint IS NULL
               AND NOT EXISTS (SELECT FROM last WHERE last.digest = $4 AND last.gone_at IS NULL) RETURNING 1),
           ${TOO_MANY}
         ${NOTIFY}`,
        [upstream, name, tag, digest, toShared(checkedAt), goneAt === undefined ? null : toShared(goneAt)],
      )
    },
    async remove({ upstream, name }, tag, at) {
      await query(
        `WITH ${LAST}, ${ENTRY},
           ended AS (UPDATE entrepot_tag_log SET gone_at = $6 FROM last, entry
             WHERE entrepot_tag_log.id = last.id AND last.gone_at IS NULL)
         ${NOTIFY}`,
        [upstream, name, tag, null, toShared(at), toShared(at)],
      )
    },
    async purge(tags) {
      for (const { repository, tag } of tags) {
        const values = [repository.upstream, repository.name, tag]
        await query(
          `WITH past AS (DELETE FROM entrepot_tag_log WHERE ${OF_TAG}) DELETE FROM entrepot_tags WHERE ${OF_TAG}`,
          values,
        )
      }
    },
    trim: (instant, keep) => trimTags(statements, instant, keep),
  }
}

export function sharedTagOf(
  { digest, checked_at: checkedAt, gone_at: goneAt }: TagRow,
  fromShared: Statements['fromShared'],
): SharedTag {
  return {
    digest: digest ?? undefined,
    checkedAt: fromShared(checkedAt),
    ...(goneAt !== null && { goneAt: fromShared(goneAt) }),
  }
}
