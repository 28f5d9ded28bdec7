import type { DatabaseSync } from 'node:sqlite'

/** The statements about trusted digests and the moves of tags. */
export function timeStatements(db: DatabaseSync) {
  return {
    /** Of one repository, or of all: the rows of each tag are together, the oldest first. */
    allHistory: db.prepare(
      `SELECT upstream, repository, tag, at, digest, ended_at AS endedAt FROM tag_history
       ORDER BY upstream, repository, tag, id`,
    ),
    historyIn: db.prepare(
      `SELECT upstream, repository, tag, at, digest, ended_at AS endedAt FROM tag_history
       WHERE upstream = ? AND repository = ? ORDER BY tag, id`,
    ),
    trusted: db.prepare(
      `SELECT upstream, repository, digest, added_at AS addedAt FROM trusted
       ORDER BY upstream, repository, digest`,
    ),
    changesBefore: db.prepare(
      `SELECT id, upstream, repository, tag, at, digest, (SELECT digest FROM tag_history p
           WHERE p.upstream = h.upstream AND p.repository = h.repository AND p.tag = h.tag AND p.id < h.id
           ORDER BY p.id DESC LIMIT 1) AS before
         FROM tag_history h WHERE id < ? ORDER BY id DESC LIMIT 50`,
    ),
    trustedIn: db.prepare('SELECT digest FROM trusted WHERE upstream = ? AND repository = ?'),
    countTrusted: db.prepare('SELECT count(*) AS count FROM trusted'),
    addTrusted: db.prepare(
      'INSERT OR IGNORE INTO trusted (upstream, repository, digest, added_at) VALUES (?, ?, ?, ?)',
    ),
    removeTrusted: db.prepare('DELETE FROM trusted WHERE upstream = ? AND repository = ? AND digest = ?'),
  }
}
