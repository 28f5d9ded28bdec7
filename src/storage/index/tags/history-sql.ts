import type { DatabaseSync } from 'node:sqlite'
import { TAG_CHANGES } from './tag-changes.ts'

const OF_TAG = 'upstream = ?1 AND repository = ?2 AND tag = ?3'
const ROWS = `SELECT id FROM tag_history WHERE ${OF_TAG}`

/** The statements about what tags have pointed to. */
export function historyStatements(db: DatabaseSync) {
  return {
    history: db.prepare(
      `SELECT at, digest, ended_at AS endedAt FROM tag_history WHERE ${OF_TAG} ORDER BY id DESC LIMIT ${TAG_CHANGES}`,
    ),
    lastChange: db.prepare(
      `SELECT digest, ended_at AS endedAt FROM tag_history WHERE ${OF_TAG} ORDER BY id DESC LIMIT 1`,
    ),
    addChange: db.prepare(
      'INSERT INTO tag_history (upstream, repository, tag, at, digest) VALUES (?, ?, ?, ?, ?)',
    ),
    endChange: db.prepare(
      `UPDATE tag_history SET ended_at = ?4
       WHERE id = (${ROWS} ORDER BY id DESC LIMIT 1) AND ended_at IS NULL`,
    ),
    /** Before `trimHistory`: what followed the first sight is about to be forgotten. */
    endFirst: db.prepare(
      `UPDATE tag_history SET ended_at = (SELECT at FROM tag_history WHERE ${OF_TAG} ORDER BY id LIMIT 1 OFFSET 1)
       WHERE id = (${ROWS} ORDER BY id LIMIT 1) AND ended_at IS NULL
         AND (SELECT count(*) FROM (${ROWS} LIMIT ${TAG_CHANGES + 1})) > ${TAG_CHANGES}`,
    ),
    // The first sight stays: whoever moves a tag often must not make another digest the first one.
    trimHistory: db.prepare(
      `DELETE FROM tag_history WHERE id IN (${ROWS} ORDER BY id DESC LIMIT -1 OFFSET ${TAG_CHANGES - 1})
         AND id > (SELECT min(id) FROM tag_history WHERE ${OF_TAG})`,
    ),
    /** Of tags that are not known any more. */
    oldHistory: db.prepare(
      `SELECT id, upstream, repository, tag, digest, ifnull(ended_at, (SELECT at FROM tag_history n
           WHERE n.upstream = h.upstream AND n.repository = h.repository AND n.tag = h.tag AND n.id > h.id
           ORDER BY n.id LIMIT 1)) AS until
         FROM tag_history h WHERE id >= ?1 AND id < ?2 AND at < ?3 AND NOT EXISTS (SELECT 1 FROM tags
           WHERE tags.upstream = h.upstream AND tags.repository = h.repository AND tags.tag = h.tag)`,
    ),
    removeChange: db.prepare('DELETE FROM tag_history WHERE id = ?'),
    nextChange: db.prepare('SELECT id FROM tag_history WHERE id >= ? ORDER BY id LIMIT 1'),
  }
}
