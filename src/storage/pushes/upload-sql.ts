import type { DatabaseSync } from 'node:sqlite'

/** Repositories that are remembered for one digest of one registry. */
const MOST_PLACES = 50
/** Rows in all: some 30 MB. */
const MOST_ROWS = 100_000
/** Old rows that go with each new one. */
const AT_ONCE = 4

/** The statements about what images were pushed where. A place that is seen again is the youngest. */
export function uploadStatements(db: DatabaseSync) {
  return {
    uploadSources: db.prepare(
      `SELECT repository, seal FROM upload_sources WHERE registry = ? AND digest = ?
       ORDER BY id DESC LIMIT ${MOST_PLACES}`,
    ),
    addUploadSource: db.prepare(
      'INSERT OR REPLACE INTO upload_sources (registry, digest, repository, seal, at) VALUES (?, ?, ?, ?, ?)',
    ),
    removeUploadSource: db.prepare(
      'DELETE FROM upload_sources WHERE registry = ? AND digest = ? AND repository = ?',
    ),
    trimUploadSources: db.prepare(
      `DELETE FROM upload_sources WHERE registry = ?1 AND digest = ?2 AND id NOT IN (
         SELECT id FROM upload_sources WHERE registry = ?1 AND digest = ?2 ORDER BY id DESC LIMIT ${MOST_PLACES})`,
    ),
    removeOldUploadSources: db.prepare(
      `DELETE FROM upload_sources WHERE id IN (SELECT id FROM upload_sources ORDER BY id LIMIT ${AT_ONCE})
         AND (at < ? OR id <= (SELECT max(id) FROM upload_sources) - ${MOST_ROWS})`,
    ),
  }
}
