import type { DatabaseSync } from 'node:sqlite'
import { OCTET_STREAM } from '../../../oci/media-types.ts'

const TAGGED = `t.tag, t.digest, c.stored_at AS storedAt,
  max(t.last_used, ifnull(c.last_used, 0)) AS lastUsed, ifnull(c.hits, 0) AS hits
  FROM tags t LEFT JOIN content c ON c.digest = t.digest`
const IS_TAGGED = `EXISTS (SELECT 1 FROM tags t WHERE t.digest = c.digest
  AND t.upstream = l.upstream AND t.repository = l.repository)`
const IS_PART = `EXISTS (SELECT 1 FROM refs r JOIN links p ON p.digest = r.parent
  AND p.upstream = l.upstream AND p.repository = l.repository WHERE r.child = c.digest)`
// A manifest that no tag points to, and that is no part of another one, is an image by itself.
const MANIFEST = `c.digest, c.stored_at AS storedAt, c.last_used AS lastUsed, c.hits,
  ${IS_TAGGED} AS isTagged, ${IS_PART} AS isPart`

/**
 * The statements of the catalogue and the pins. Pages are short: each of their rows may have to come from the
 * disk.
 */
export function catalogueStatements(db: DatabaseSync) {
  return {
    taggedImages: db.prepare(
      `SELECT t.upstream, t.repository, ${TAGGED} WHERE (t.upstream, t.repository, t.tag) > (?, ?, ?)
       ORDER BY t.upstream, t.repository, t.tag LIMIT 50`,
    ),
    taggedImagesIn: db.prepare(
      `SELECT ${TAGGED} WHERE t.upstream = ? AND t.repository = ? AND t.tag > ? ORDER BY t.tag LIMIT 50`,
    ),
    manifestLinks: db.prepare(
      `SELECT l.upstream, l.repository, ${MANIFEST} FROM content c JOIN links l ON l.digest = c.digest
       WHERE c.media_type <> '${OCTET_STREAM}'
         AND c.digest >= ?1 AND (c.digest > ?1 OR (l.upstream, l.repository) > (?2, ?3))
       ORDER BY c.digest, l.upstream, l.repository LIMIT 50`,
    ),
    manifestLinksIn: db.prepare(
      `SELECT ${MANIFEST} FROM links l CROSS JOIN content c ON c.digest = l.digest
       WHERE l.upstream = ? AND l.repository = ? AND l.digest > ? AND c.media_type <> '${OCTET_STREAM}'
       ORDER BY l.digest LIMIT 50`,
    ),
    /** Two rows at most: whether a manifest is an image, or more than one. */
    imagesOf: db.prepare(
      `SELECT 1 FROM tags WHERE digest = ?1
       UNION ALL SELECT 1 FROM links l JOIN content c ON c.digest = l.digest
         WHERE l.digest = ?1 AND c.media_type <> '${OCTET_STREAM}' AND NOT ${IS_TAGGED} AND NOT ${IS_PART}
       LIMIT 2`,
    ),
    /** The names of an image, as many as anybody wants to be told. */
    namesOf: db.prepare(
      `SELECT t.upstream, t.repository, t.tag FROM tags t JOIN content c ON c.digest = t.digest WHERE t.digest = ?1
       UNION ALL SELECT l.upstream, l.repository, NULL FROM links l JOIN content c ON c.digest = l.digest
         WHERE l.digest = ?1 AND c.media_type <> '${OCTET_STREAM}' AND NOT ${IS_TAGGED} AND NOT ${IS_PART}
       LIMIT 20`,
    ),
    isVanished: db.prepare('SELECT 1 FROM content WHERE digest = ? AND vanished <> 0'),
    parentsAfter: db.prepare(
      'SELECT parent FROM refs WHERE child = ? AND parent > ? ORDER BY parent LIMIT 100',
    ),
    children: db.prepare(
      `SELECT child, size, media_type <> '${OCTET_STREAM}' AS isManifest
       FROM refs JOIN content ON digest = child WHERE parent = ? AND child > ? ORDER BY child LIMIT 100`,
    ),
    nextParent: db.prepare('SELECT parent FROM refs WHERE parent > ? ORDER BY parent LIMIT 1'),
    linkedContent: db.prepare(
      `SELECT l.upstream, l.repository, l.digest, size,
         NOT EXISTS (SELECT 1 FROM links WHERE digest = l.digest AND upstream = l.upstream
           AND repository < l.repository) AS isFirstInUpstream,
         NOT EXISTS (SELECT 1 FROM links WHERE digest = l.digest
           AND (upstream, repository) < (l.upstream, l.repository)) AS isFirst
       FROM links l JOIN content ON content.digest = l.digest
       WHERE (l.upstream, l.repository, l.digest) > (?, ?, ?)
       ORDER BY l.upstream, l.repository, l.digest LIMIT 40`,
    ),
    nextLinkedUpstream: db.prepare('SELECT upstream FROM links WHERE upstream > ? ORDER BY upstream LIMIT 1'),
    nextTaggedUpstream: db.prepare('SELECT upstream FROM tags WHERE upstream > ? ORDER BY upstream LIMIT 1'),
    nextRepository: db.prepare(
      `SELECT upstream, repository FROM links WHERE (upstream, repository) > (?, ?)
       ORDER BY upstream, repository LIMIT 1`,
    ),
    contentAfter: db.prepare('SELECT digest, size FROM content WHERE digest > ? ORDER BY digest LIMIT 200'),
    linksIn: db.prepare(
      `SELECT digest FROM links WHERE upstream = ? AND repository = ? AND digest > ?
       ORDER BY digest LIMIT 500`,
    ),
    linksOf: db.prepare(
      `SELECT upstream, repository FROM links WHERE digest = ?1 AND (upstream, repository) > (?2, ?3)
       ORDER BY upstream, repository LIMIT 500`,
    ),
    hasLinks: db.prepare('SELECT 1 FROM links WHERE digest = ? LIMIT 1'),
    /** For a purge. Unlike `removeTag`, the content does not count as vanished upstream. */
    forgetTag: db.prepare('DELETE FROM tags WHERE upstream = ? AND repository = ? AND tag = ?'),

    pins: db.prepare('SELECT pattern, added_at AS addedAt FROM pins ORDER BY pattern'),
    addPin: db.prepare('INSERT OR IGNORE INTO pins (pattern, added_at) VALUES (?, ?)'),
    contentUse: db.prepare(
      `SELECT size, stored_at AS storedAt, last_used AS lastUsed, hits FROM content WHERE digest = ?`,
    ),
    removePin: db.prepare('DELETE FROM pins WHERE pattern = ?'),
  }
}
