import type { DatabaseSync } from 'node:sqlite'

/** The statements about the runs of CI systems. */
export function runStatements(db: DatabaseSync) {
  return {
    findRun: db.prepare('SELECT id, started_at AS startedAt, entries FROM runs WHERE name = ?'),
    chosen: db.prepare(
      `SELECT digest FROM runs JOIN run_entries ON run = id
       WHERE name = ? AND started_at >= ? AND upstream = ? AND repository = ? AND tag = ? LIMIT 1`,
    ),
    addRun: db.prepare('INSERT INTO runs (name, client, started_at) VALUES (?, ?, ?)'),
    addEntry: db.prepare(
      `INSERT OR IGNORE INTO run_entries (run, upstream, repository, tag, digest, at) VALUES (?, ?, ?, ?, ?, ?)`,
    ),
    runTotals: db.prepare('SELECT runs, entries FROM run_totals'),
    removeRun: db.prepare('DELETE FROM runs WHERE id = ?'),
    removeRuns: db.prepare('DELETE FROM runs'),
    oldestRunOf: db.prepare(
      `SELECT id FROM runs WHERE client = ?2 AND id <> ?1 ORDER BY started_at, id LIMIT 1`,
    ),
    oldestRunOfAll: db.prepare('SELECT id FROM runs WHERE id <> ?1 ORDER BY started_at, id LIMIT 1'),
    expiredRuns: db.prepare('SELECT id FROM runs WHERE started_at < ? ORDER BY started_at LIMIT 2'),
    runEntries: db.prepare(
      `SELECT upstream, repository, tag, digest, at FROM run_entries WHERE run = ?
       ORDER BY upstream, repository, tag`,
    ),
  }
}
