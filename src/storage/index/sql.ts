import type { DatabaseSync } from 'node:sqlite'
import { OCTET_STREAM } from '../../oci/media-types.ts'
import { catalogueStatements } from '../operations/catalogue-sql.ts'
import { TAG_CHANGES } from './tag-changes.ts'

const CLAMPED_AT_ONCE = 50
/** One of the four ranges of the index `content_by_room`. */
const IN_RANGE = 'vanished = ?1 AND (size < 65536) = ?2'
const STORED = `digest, size, last_used AS lastUsed,
  (SELECT group_concat(DISTINCT upstream) FROM links WHERE links.digest = content.digest) AS upstreams`
/** The content of a tag: its manifest, and everything below it. */
const OF_TAG = `WITH RECURSIVE of_tag (digest) AS (
  VALUES (?) UNION SELECT child FROM refs JOIN of_tag ON parent = of_tag.digest)`

const OF_REPOSITORY = 'upstream = ? AND repository = ?'

/** The prepared statements of the index. The tables are in `schema.ts`. */
export function statements(db: DatabaseSync) {
  return {
    ...catalogueStatements(db),

    totals: db.prepare('SELECT objects, bytes FROM totals'),
    findContent: db.prepare('SELECT size, media_type AS mediaType FROM content WHERE digest = ?'),
    addContent: db.prepare(
      `INSERT INTO content (digest, size, media_type, stored_at, last_used) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET size = excluded.size,
         media_type = iif(media_type = '${OCTET_STREAM}', excluded.media_type, media_type)`,
    ),
    useContent: db.prepare(
      'UPDATE content SET last_used = max(last_used, ?1), hits = hits + ?2 WHERE digest = ?3',
    ),
    useChildren: db.prepare(
      `UPDATE content SET last_used = ?1
         WHERE digest IN (SELECT child FROM refs WHERE parent = ?2) AND last_used < ?1`,
    ),
    removeContent: db.prepare('DELETE FROM content WHERE digest = ?'),
    longestUnused: db.prepare(
      `SELECT ${STORED} FROM content WHERE ${IN_RANGE} AND last_used < ?3 ORDER BY last_used, digest`,
    ),
    fetchedBefore: db.prepare(`SELECT ${STORED} FROM content WHERE stored_at < ? ORDER BY stored_at, digest`),
    clampUses: db.prepare(
      `UPDATE content SET last_used = ?3 WHERE digest IN
         (SELECT digest FROM content WHERE ${IN_RANGE} AND last_used > ?3 LIMIT ${CLAMPED_AT_ONCE})`,
    ),
    clampFetches: db.prepare(
      `UPDATE content SET stored_at = ?1 WHERE digest IN
         (SELECT digest FROM content WHERE stored_at > ?1 LIMIT ${CLAMPED_AT_ONCE})`,
    ),
    clampTags: db.prepare(
      `UPDATE tags SET last_used = ?1 WHERE (upstream, repository, tag) IN
         (SELECT upstream, repository, tag FROM tags WHERE last_used > ?1 LIMIT ${CLAMPED_AT_ONCE})`,
    ),

    hasVanished: db.prepare('SELECT 1 FROM content WHERE digest = ? AND vanished = 1'),
    setVanished: db.prepare(
      `${OF_TAG} UPDATE content SET vanished = ? WHERE digest IN (SELECT digest FROM of_tag)`,
    ),

    hasReferences: db.prepare('SELECT 1 FROM refs WHERE parent = ? LIMIT 1'),
    addReference: db.prepare('INSERT OR IGNORE INTO refs (parent, child) VALUES (?, ?)'),

    hasLink: db.prepare(`SELECT 1 FROM links WHERE ${OF_REPOSITORY} AND digest = ?`),
    knowsLink: db.prepare('SELECT 1 FROM links WHERE digest = ? AND upstream = ? LIMIT 1'),
    addLink: db.prepare('INSERT OR IGNORE INTO links (upstream, repository, digest) VALUES (?, ?, ?)'),
    removeLink: db.prepare(`DELETE FROM links WHERE ${OF_REPOSITORY} AND digest = ?`),
    removeLinksOf: db.prepare('DELETE FROM links WHERE digest = ?'),

    findTag: db.prepare(
      `SELECT digest, checked_at AS checkedAt FROM tags WHERE ${OF_REPOSITORY} AND tag = ?`,
    ),
    setTag: db.prepare(
      `INSERT OR REPLACE INTO tags (upstream, repository, tag, digest, checked_at, last_used)
       VALUES (?, ?, ?, ?, ?, ?)`,
    ),
    useTag: db.prepare(`UPDATE tags SET last_used = ? WHERE ${OF_REPOSITORY} AND tag = ?`),
    removeTag: db.prepare(`DELETE FROM tags WHERE ${OF_REPOSITORY} AND tag = ?`),

    history: db.prepare(
      `SELECT at, digest FROM tag_history WHERE ${OF_REPOSITORY} AND tag = ? ORDER BY id DESC LIMIT ${TAG_CHANGES}`,
    ),
    lastChange: db.prepare(
      `SELECT digest FROM tag_history WHERE ${OF_REPOSITORY} AND tag = ? ORDER BY id DESC LIMIT 1`,
    ),
    addChange: db.prepare(
      'INSERT INTO tag_history (upstream, repository, tag, at, digest) VALUES (?, ?, ?, ?, ?)',
    ),
    trimHistory: db.prepare(
      `DELETE FROM tag_history WHERE id IN (SELECT id FROM tag_history
         WHERE ${OF_REPOSITORY} AND tag = ? ORDER BY id DESC LIMIT -1 OFFSET ${TAG_CHANGES})`,
    ),
    removeOldHistory: db.prepare(
      `DELETE FROM tag_history WHERE at < ? AND NOT EXISTS (SELECT 1 FROM tags
         WHERE tags.upstream = tag_history.upstream AND tags.repository = tag_history.repository
           AND tags.tag = tag_history.tag)`,
    ),
  }
}

export type Statements = ReturnType<typeof statements>

/** Runs `task` on the index. @throws RegistryError STORAGE */
export type Query = <T>(task: (sql: Statements) => T) => Promise<T>
