import type { DatabaseSync } from 'node:sqlite'
import { OCTET_STREAM } from '../../oci/media-types.ts'
import { catalogueStatements } from '../operations/images/catalogue-sql.ts'
import { savingsStatements } from './savings/savings-sql.ts'
import { endpointOwnerStatements } from './upstreams/endpoint-owners-sql.ts'
import { historyStatements } from './tags/history-sql.ts'
import { runStatements } from './tags/runs-sql.ts'
import { timeStatements } from './tags/time-sql.ts'
import { conversionStatements } from '../conversions/conversion-sql.ts'
import { v1Statements } from '../v1/v1-sql.ts'
import { uploadStatements } from '../pushes/upload-sql.ts'

const CLAMPED_AT_ONCE = 50
/** Rows read in one step. */
const PAGE = 200
/** Rows that one step changes at most. */
export const STEP = 50
/** Repositories of one upstream that may be linked to one digest. One more replaces another one (SEC-91). */
export const LINKS = 1_000
/** One of the four ranges of the index `content_by_room`. */
const IN_RANGE = 'vanished = ?1 AND (size < 65536) = ?2'
const STORED = 'digest, size, last_used AS lastUsed'
const OF_REPOSITORY = 'upstream = ? AND repository = ?'

/** The prepared statements of the index. The tables are in `schema.ts`. */
export function statements(db: DatabaseSync) {
  return {
    ...catalogueStatements(db),
    ...savingsStatements(db),
    ...historyStatements(db),
    ...timeStatements(db),
    ...uploadStatements(db),
    ...runStatements(db),
    ...conversionStatements(db),
    ...endpointOwnerStatements(db),
    ...v1Statements(db),

    totals: db.prepare('SELECT objects, bytes FROM totals'),
    upstreamTotals: db.prepare('SELECT upstream, objects, bytes FROM upstream_totals ORDER BY upstream'),
    /** In the order of their links: content of several repositories comes several times. */
    contentOfUpstream: db.prepare(
      `SELECT l.repository, c.digest, c.size, c.last_used AS lastUsed, c.vanished
       FROM links l CROSS JOIN content c ON c.digest = l.digest
       WHERE l.upstream = ?1 AND (l.repository, l.digest) > (?2, ?3)
       ORDER BY l.repository, l.digest LIMIT ${STEP}`,
    ),
    /** No row when it was used since. */
    isStillUnused: db.prepare(
      `SELECT 1 FROM content c WHERE digest = ?1 AND last_used = ?2
         AND EXISTS (SELECT 1 FROM links WHERE digest = ?1 AND upstream = ?3)`,
    ),
    findContent: db.prepare('SELECT size, media_type AS mediaType FROM content WHERE digest = ?'),
    addContent: db.prepare(
      `INSERT INTO content (digest, size, media_type, stored_at, last_used) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET size = excluded.size,
         media_type = iif(media_type = '${OCTET_STREAM}', excluded.media_type, media_type)`,
    ),
    lastUse: db.prepare('SELECT last_used AS lastUsed FROM content WHERE digest = ?'),
    useContent: db.prepare(
      'UPDATE content SET last_used = max(last_used, ?1), hits = hits + ?2 WHERE digest = ?3',
    ),
    /** Of up to as many children of a manifest as a step changes. */
    useChildren: db.prepare(
      `UPDATE content SET last_used = ?1 WHERE last_used < ?1 AND digest IN
         (SELECT child FROM refs WHERE parent = ?2 AND child > ?3 ORDER BY child LIMIT ${STEP})`,
    ),
    /** The last of those, when there are as many. */
    lastOfChildren: db.prepare(
      `SELECT child FROM refs WHERE parent = ? AND child > ? ORDER BY child LIMIT 1 OFFSET ${STEP - 1}`,
    ),
    removeContent: db.prepare('DELETE FROM content WHERE digest = ?'),
    longestUnused: db.prepare(
      `SELECT ${STORED} FROM content WHERE ${IN_RANGE} AND last_used < ?3 AND (last_used, digest) > (?4, ?5)
       ORDER BY last_used, digest LIMIT ${PAGE}`,
    ),
    fetchedBefore: db.prepare(
      `SELECT ${STORED}, stored_at AS storedAt FROM content
       WHERE stored_at < ?1 AND (stored_at, digest) > (?2, ?3) ORDER BY stored_at, digest LIMIT ${PAGE}`,
    ),
    nextUpstreamOf: db.prepare(
      'SELECT upstream FROM links WHERE digest = ? AND upstream > ? ORDER BY upstream LIMIT 1',
    ),
    clampUses: db.prepare(
      `UPDATE content SET last_used = ?3 WHERE digest IN
         (SELECT digest FROM content WHERE ${IN_RANGE} AND last_used > ?3 LIMIT ${CLAMPED_AT_ONCE})`,
    ),
    clampFetches: db.prepare(
      `UPDATE content SET stored_at = ?1 WHERE digest IN
         (SELECT digest FROM content WHERE stored_at > ?1 LIMIT ${CLAMPED_AT_ONCE})`,
    ),
    shiftContent: db.prepare(
      `UPDATE content SET last_used = min(last_used + ?1, ?1 + ?2), stored_at = min(stored_at + ?1, ?1 + ?2)
         WHERE digest = ?3 AND last_used <= ?2`,
    ),
    shiftTag: db.prepare(
      `UPDATE tags SET last_used = min(last_used + ?1, ?1 + ?2)
         WHERE upstream = ?3 AND repository = ?4 AND tag = ?5 AND last_used <= ?2`,
    ),
    clampTags: db.prepare(
      `UPDATE tags SET last_used = ?1 WHERE (upstream, repository, tag) IN
         (SELECT upstream, repository, tag FROM tags WHERE last_used > ?1 LIMIT ${CLAMPED_AT_ONCE})`,
    ),

    setVanished: db.prepare('UPDATE content SET vanished = ?2 WHERE digest = ?1 AND vanished <> ?2'),

    hasReferences: db.prepare('SELECT 1 FROM content WHERE digest = ? AND refs IS NOT NULL'),
    setReferences: db.prepare('UPDATE content SET refs = ?2 WHERE digest = ?1 AND refs IS NOT ?2'),
    /** The references are a JSON array: one call costs less than many. */
    addReferences: db.prepare(
      'INSERT OR IGNORE INTO refs (parent, child) SELECT ?1, value FROM json_each(?2)',
    ),
    removeReferences: db.prepare(
      `DELETE FROM refs WHERE parent = ?1 AND child IN (SELECT child FROM refs WHERE parent = ?1 LIMIT ${STEP})`,
    ),

    hasLink: db.prepare(`SELECT 1 FROM links WHERE ${OF_REPOSITORY} AND digest = ?`),
    knowsLink: db.prepare('SELECT 1 FROM links WHERE digest = ? AND upstream = ? LIMIT 1'),
    anyLink: db.prepare('SELECT 1 FROM links WHERE digest = ? LIMIT 1'),
    addLink: db.prepare(
      `INSERT INTO links (upstream, repository, digest, media_type) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET media_type = excluded.media_type
         WHERE links.media_type IS NULL AND excluded.media_type IS NOT NULL`,
    ),
    mediaTypeOf: db.prepare(
      `SELECT media_type AS mediaType FROM links WHERE ${OF_REPOSITORY} AND digest = ?`,
    ),
    removeLink: db.prepare(`DELETE FROM links WHERE ${OF_REPOSITORY} AND digest = ?`),
    countLinks: db.prepare(
      `SELECT count(*) AS links FROM (SELECT 1 FROM links WHERE digest = ? AND upstream = ? LIMIT ${LINKS + 1})`,
    ),
    // The next one in the order of names, or else the first.
    removeAnotherLink: db.prepare(
      `DELETE FROM links WHERE (upstream, repository, digest) IN (SELECT upstream, repository, digest
         FROM links WHERE digest = ?1 AND upstream = ?2 AND repository <> ?3
         ORDER BY repository < ?3, repository LIMIT 1)`,
    ),
    removeLinksOf: db.prepare(
      `DELETE FROM links WHERE (upstream, repository, digest) IN
         (SELECT upstream, repository, digest FROM links WHERE digest = ? LIMIT ${STEP})`,
    ),

    removeLinksOfUpstream: db.prepare(
      `DELETE FROM links WHERE (upstream, repository, digest) IN (SELECT upstream, repository, digest
         FROM links WHERE digest = ?1 AND upstream = ?2 LIMIT ${STEP})`,
    ),

    findTag: db.prepare(
      `SELECT digest, checked_at AS checkedAt, gone_at AS goneAt FROM tags WHERE ${OF_REPOSITORY} AND tag = ?`,
    ),
    setTag: db.prepare(
      `INSERT OR REPLACE INTO tags (upstream, repository, tag, digest, checked_at, last_used, gone_at)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ),
    oldTags: db.prepare(
      `SELECT upstream, repository, tag, digest, last_used AS lastUsed FROM tags WHERE last_used < ?1
         AND (last_used, upstream, repository, tag) > (?2, ?3, ?4, ?5)
       ORDER BY last_used, upstream, repository, tag LIMIT ${PAGE}`,
    ),
    useTag: db.prepare(`UPDATE tags SET last_used = ? WHERE ${OF_REPOSITORY} AND tag = ?`),
    removeTag: db.prepare(`DELETE FROM tags WHERE ${OF_REPOSITORY} AND tag = ?`),

    linksAfter: db.prepare(
      `SELECT upstream, repository, digest, media_type AS mediaType FROM links
       WHERE (upstream, repository, digest) > (?, ?, ?) ORDER BY upstream, repository, digest LIMIT ${PAGE}`,
    ),
    tagsAfter: db.prepare(
      `SELECT upstream, repository, tag, digest, checked_at AS checkedAt, gone_at AS goneAt FROM tags
       WHERE (upstream, repository, tag) > (?, ?, ?) ORDER BY upstream, repository, tag LIMIT ${PAGE}`,
    ),

    getMeta: db.prepare('SELECT value FROM meta WHERE key = ?'),
    setMeta: db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)'),
  }
}

export type Statements = ReturnType<typeof statements>

/** Runs `task` on the index. @throws RegistryError STORAGE */
export type Query = <T>(task: (sql: Statements) => T) => Promise<T>
