import type { DatabaseSync } from 'node:sqlite'
import { OCTET_STREAM } from '../oci/media-types.ts'
import { TAG_CHANGES } from './tag-changes.ts'

const OF_REPOSITORY = 'upstream = ? AND repository = ?'

/** Every statement of the index, prepared. The tables are in `schema.ts`. */
export function statements(db: DatabaseSync) {
  return {
    totals: db.prepare('SELECT objects, bytes FROM totals'),
    findContent: db.prepare('SELECT size, media_type AS mediaType FROM content WHERE digest = ?'),
    addContent: db.prepare(
      `INSERT INTO content (digest, size, media_type, stored_at, last_used) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET size = excluded.size,
         media_type = iif(media_type = '${OCTET_STREAM}', excluded.media_type, media_type)`,
    ),
    useContent: db.prepare('UPDATE content SET last_used = ? WHERE digest = ?'),
    removeContent: db.prepare('DELETE FROM content WHERE digest = ?'),
    oldest: db.prepare('SELECT digest, size, last_used AS lastUsed FROM content ORDER BY last_used LIMIT ?'),

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
    removeOldTags: db.prepare('DELETE FROM tags WHERE last_used < ?'),

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
