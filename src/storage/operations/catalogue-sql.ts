import type { DatabaseSync } from 'node:sqlite'
import { OCTET_STREAM } from '../../oci/media-types.ts'

const HERE = 'upstream = l.upstream AND repository = l.repository'
/** A manifest, and everything below it. */
const PART = 'part (digest) AS (VALUES (?1) UNION SELECT child FROM part JOIN refs ON parent = part.digest)'

/**
 * The repositories where a manifest is an image without a tag: no tag points to it and no other manifest
 * refers to it.
 */
const untaggedLinks = (digest: string): string =>
  `FROM links l WHERE l.digest = ${digest}
     AND NOT EXISTS (SELECT 1 FROM tags WHERE digest = ${digest} AND ${HERE})
     AND NOT EXISTS (SELECT 1 FROM refs JOIN links ON digest = parent AND ${HERE} WHERE child = ${digest})`

/** The statements of the catalogue and the pins. A page of rows takes a few milliseconds. */
export function catalogueStatements(db: DatabaseSync) {
  return {
    taggedImages: db.prepare(
      `SELECT t.upstream, t.repository, t.tag, t.digest, c.stored_at AS storedAt,
         max(t.last_used, ifnull(c.last_used, 0)) AS lastUsed, ifnull(c.hits, 0) AS hits
       FROM tags t LEFT JOIN content c ON c.digest = t.digest
       WHERE (t.upstream, t.repository, t.tag) > (?, ?, ?)
       ORDER BY t.upstream, t.repository, t.tag LIMIT 100`,
    ),
    manifests: db.prepare(
      `SELECT digest, stored_at AS storedAt, last_used AS lastUsed, hits
       FROM content WHERE media_type <> '${OCTET_STREAM}' AND digest > ? ORDER BY digest LIMIT 100`,
    ),
    untaggedIn: db.prepare(`SELECT l.upstream, l.repository ${untaggedLinks('?1')}`),
    closure: db.prepare(
      `WITH RECURSIVE ${PART} SELECT content.digest FROM part JOIN content ON content.digest = part.digest`,
    ),
    // Shared: content that another manifest refers to, or that is an image itself, and everything below it.
    imageSize: db.prepare(
      `WITH RECURSIVE ${PART}, shared (digest) AS (
         SELECT digest FROM part
           WHERE EXISTS (SELECT 1 FROM refs WHERE child = part.digest AND parent NOT IN part)
             OR (SELECT count(*) FROM tags WHERE digest = part.digest) + iif(
               (SELECT media_type FROM content WHERE digest = part.digest) <> '${OCTET_STREAM}',
               (SELECT count(*) ${untaggedLinks('part.digest')}), 0) > (part.digest = ?1)
         UNION SELECT child FROM shared JOIN refs ON parent = shared.digest)
       SELECT ifnull(sum(size), 0) AS size, ifnull(sum(iif(content.digest IN shared, 0, size)), 0) AS unshared
       FROM part JOIN content ON content.digest = part.digest`,
    ),
    referrers: db.prepare('SELECT parent FROM refs WHERE child = ?'),
    linkedContent: db.prepare(
      `SELECT l.upstream, l.repository, l.digest, size,
         NOT EXISTS (SELECT 1 FROM links WHERE digest = l.digest AND upstream = l.upstream
           AND repository < l.repository) AS isFirstInUpstream,
         NOT EXISTS (SELECT 1 FROM links WHERE digest = l.digest
           AND (upstream, repository) < (l.upstream, l.repository)) AS isFirst
       FROM links l JOIN content ON content.digest = l.digest
       WHERE (l.upstream, l.repository, l.digest) > (?, ?, ?)
       ORDER BY l.upstream, l.repository, l.digest LIMIT 200`,
    ),
    nextRepository: db.prepare(
      `SELECT upstream, repository FROM links WHERE (upstream, repository) > (?, ?)
       ORDER BY upstream, repository LIMIT 1`,
    ),
    contentAfter: db.prepare('SELECT digest, size FROM content WHERE digest > ? ORDER BY digest LIMIT 200'),
    linksIn: db.prepare('SELECT digest FROM links WHERE upstream = ? AND repository = ?'),
    linksOf: db.prepare('SELECT upstream, repository FROM links WHERE digest = ?'),
    /** For a purge. Unlike `removeTag`, the content does not count as vanished upstream. */
    forgetTag: db.prepare('DELETE FROM tags WHERE upstream = ? AND repository = ? AND tag = ?'),

    oldTags: db.prepare('SELECT upstream, repository, tag, digest FROM tags WHERE last_used < ?'),
    pins: db.prepare('SELECT pattern, added_at AS addedAt FROM pins ORDER BY pattern'),
    addPin: db.prepare('INSERT OR IGNORE INTO pins (pattern, added_at) VALUES (?, ?)'),
    removePin: db.prepare('DELETE FROM pins WHERE pattern = ?'),
  }
}
