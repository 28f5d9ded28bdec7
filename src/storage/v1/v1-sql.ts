import type { DatabaseSync } from 'node:sqlite'

/** Rows in all: some 60 MB. */
const MOST_ROWS = 200_000
/** Old rows that go with each new one. */
const AT_ONCE = 4

/** The youngest has the highest id. */
export const V1_CONTENT = `-- What the images and layers of registries of the first protocol are, which names them by ids.
   CREATE TABLE v1_content (
     number INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, repository TEXT NOT NULL, kind TEXT NOT NULL,
     id TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, at INTEGER NOT NULL
   ) STRICT;
   CREATE UNIQUE INDEX v1_content_by_id ON v1_content (endpoint, repository, kind, id);
   CREATE INDEX v1_content_by_digest ON v1_content (endpoint, repository, kind, digest);`

/**
 * What a repository of an upstream, at whichever of its endpoints, knows of some content. It goes from one endpoint
 * to the next: no index begins with the repository. ' )' follows all that begins with ' (' (`endpoint-name.ts`).
 */
const PURGE = `WITH RECURSIVE
   ends(endpoint) AS (
     SELECT (SELECT min(endpoint) FROM v1_content WHERE endpoint >= ?1)
     UNION ALL SELECT (SELECT min(endpoint) FROM v1_content WHERE endpoint > ends.endpoint AND endpoint < ?1 || ' )')
       FROM ends WHERE ends.endpoint IS NOT NULL)
   DELETE FROM v1_content WHERE number IN (
     SELECT number FROM ends JOIN v1_content USING (endpoint)
     WHERE (ends.endpoint = ?1 OR ends.endpoint > ?1 || ' (' AND ends.endpoint < ?1 || ' )')
       AND repository = ?2 AND kind IN ('layer', 'manifest') AND digest = ?3)`

/** The statements about content of the first protocol. */
export function v1Statements(db: DatabaseSync) {
  const select = 'SELECT id, digest, size FROM v1_content WHERE endpoint = ? AND repository = ? AND kind = ?'
  return {
    v1ById: db.prepare(`${select} AND id = ? AND at > ?`),
    v1ByDigest: db.prepare(`${select} AND digest = ? AND at > ? LIMIT 1`),
    addV1: db.prepare(
      `INSERT OR REPLACE INTO v1_content (endpoint, repository, kind, id, digest, size, at)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ),
    forgetV1: db.prepare(
      'DELETE FROM v1_content WHERE endpoint = ? AND repository = ? AND kind = ? AND id = ?',
    ),
    purgeV1: db.prepare(PURGE),
    removeOldV1: db.prepare(
      `DELETE FROM v1_content WHERE number IN (SELECT number FROM v1_content ORDER BY number LIMIT ${AT_ONCE})
         AND (at < ? OR number <= (SELECT max(number) FROM v1_content) - ${MOST_ROWS})`,
    ),
  }
}
