import type { DatabaseSync } from 'node:sqlite'
import { OCTET_STREAM } from '../oci/media-types.ts'

const HERE = 'upstream = l.upstream AND repository = l.repository'

/** What the catalogue and the pins ask, in pages that take a few milliseconds each. */
export function catalogueStatements(db: DatabaseSync) {
  return {
    taggedImages: db.prepare(
      `SELECT t.upstream, t.repository, t.tag, t.digest, c.stored_at AS storedAt,
         max(t.last_used, ifnull(c.last_used, 0)) AS lastUsed, ifnull(c.hits, 0) AS hits
       FROM tags t LEFT JOIN content c ON c.digest = t.digest
       WHERE (t.upstream, t.repository, t.tag) > (?, ?, ?)
       ORDER BY t.upstream, t.repository, t.tag LIMIT 500`,
    ),
    manifests: db.prepare(
      `SELECT digest, stored_at AS storedAt, last_used AS lastUsed, hits
       FROM content WHERE media_type <> '${OCTET_STREAM}' AND digest > ? ORDER BY digest LIMIT 200`,
    ),
    // Neither a tag's nor a part of another one.
    untaggedIn: db.prepare(
      `SELECT l.upstream, l.repository FROM links l WHERE l.digest = ?1
         AND NOT EXISTS (SELECT 1 FROM tags WHERE digest = ?1 AND ${HERE})
         AND NOT EXISTS (SELECT 1 FROM refs JOIN links ON digest = parent AND ${HERE} WHERE child = ?1)`,
    ),
    closure: db.prepare(
      `WITH RECURSIVE part (digest) AS (
         VALUES (?) UNION SELECT child FROM part JOIN refs ON parent = part.digest)
       SELECT content.digest, size FROM part JOIN content ON content.digest = part.digest`,
    ),
    linkedContent: db.prepare(
      `SELECT l.upstream, l.repository, l.digest, size,
         NOT EXISTS (SELECT 1 FROM links WHERE digest = l.digest AND upstream = l.upstream
           AND repository < l.repository) AS isFirstInUpstream,
         NOT EXISTS (SELECT 1 FROM links WHERE digest = l.digest
           AND (upstream, repository) < (l.upstream, l.repository)) AS isFirst
       FROM links l JOIN content ON content.digest = l.digest
       WHERE (l.upstream, l.repository, l.digest) > (?, ?, ?)
       ORDER BY l.upstream, l.repository, l.digest LIMIT 500`,
    ),
    nextRepository: db.prepare(
      `SELECT upstream, repository FROM links WHERE (upstream, repository) > (?, ?)
       ORDER BY upstream, repository LIMIT 1`,
    ),
    contentAfter: db.prepare('SELECT digest, size FROM content WHERE digest > ? ORDER BY digest LIMIT 200'),
    linksIn: db.prepare('SELECT digest FROM links WHERE upstream = ? AND repository = ?'),
    linksOf: db.prepare('SELECT upstream, repository FROM links WHERE digest = ?'),
    /** By hand: upstream did not say that it is gone. */
    forgetTag: db.prepare('DELETE FROM tags WHERE upstream = ? AND repository = ? AND tag = ?'),

    oldTags: db.prepare('SELECT upstream, repository, tag, digest FROM tags WHERE last_used < ?'),
    pins: db.prepare('SELECT pattern, added_at AS addedAt FROM pins ORDER BY pattern'),
    addPin: db.prepare('INSERT OR IGNORE INTO pins (pattern, added_at) VALUES (?, ?)'),
    removePin: db.prepare('DELETE FROM pins WHERE pattern = ?'),
  }
}
