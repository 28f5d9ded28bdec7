import type { DatabaseSync } from 'node:sqlite'

const SUMS = 'sum(requests) AS requests, sum(bytes) AS bytes, sum(budget) AS budget'
/** Rows removed by one statement. */
const FORGOTTEN_AT_ONCE = 200

export function savingsStatements(db: DatabaseSync) {
  const savedBy = (name: string) =>
    db.prepare(
      `SELECT upstream, ${name} AS name, ${SUMS} FROM savings WHERE day = ? GROUP BY upstream, ${name}`,
    )
  return {
    addSaved: db.prepare(
      `INSERT INTO savings VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
         requests = requests + excluded.requests, bytes = bytes + excluded.bytes,
         budget = budget + excluded.budget`,
    ),
    addRate: db.prepare(
      `INSERT INTO rates VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET
         bytes = bytes + excluded.bytes, milliseconds = milliseconds + excluded.milliseconds`,
    ),
    savedByUpstream: savedBy('upstream'),
    savedByRepository: savedBy("upstream || '/' || repository"),
    savedByNetwork: savedBy('network'),
    ratesSince: db.prepare(
      `SELECT upstream, sum(bytes) AS bytes, sum(milliseconds) AS milliseconds
       FROM rates WHERE day >= ? GROUP BY upstream`,
    ),
    forgetSaved: db.prepare(
      `DELETE FROM savings WHERE (day, upstream, repository, network) IN
         (SELECT day, upstream, repository, network FROM savings WHERE day < ? LIMIT ${FORGOTTEN_AT_ONCE})`,
    ),
    forgetRates: db.prepare('DELETE FROM rates WHERE day < ?'),
  }
}
