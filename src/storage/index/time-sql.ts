import type { DatabaseSync } from 'node:sqlite'

/** The statements about trusted digests. */
export function timeStatements(db: DatabaseSync) {
  return {
    trusted: db.prepare(
      `SELECT upstream, repository, digest, added_at AS addedAt FROM trusted
       ORDER BY upstream, repository, digest`,
    ),
    trustedIn: db.prepare('SELECT digest FROM trusted WHERE upstream = ? AND repository = ?'),
    countTrusted: db.prepare('SELECT count(*) AS count FROM trusted'),
    addTrusted: db.prepare(
      'INSERT OR IGNORE INTO trusted (upstream, repository, digest, added_at) VALUES (?, ?, ?, ?)',
    ),
    removeTrusted: db.prepare('DELETE FROM trusted WHERE upstream = ? AND repository = ? AND digest = ?'),
  }
}
