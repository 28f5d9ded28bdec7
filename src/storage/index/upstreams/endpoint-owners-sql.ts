import type { DatabaseSync } from 'node:sqlite'

/** Rows in all: some 20 MB. */
const MOST_ROWS = 100_000
/** Old rows that go with each new one. */
const AT_ONCE = 4

/** The statements about which endpoint has answered for what. What is written again is the youngest. */
export function endpointOwnerStatements(db: DatabaseSync) {
  return {
    endpointOwner: db.prepare(
      'SELECT url, at FROM endpoint_owners WHERE upstream = ? AND repository = ? AND thing = ?',
    ),
    setEndpointOwner: db.prepare(
      'INSERT OR REPLACE INTO endpoint_owners (upstream, repository, thing, url, at) VALUES (?, ?, ?, ?, ?)',
    ),
    /** Of a tag, and with it of the list of the repository. */
    forgetEndpointOwner: db.prepare(
      `DELETE FROM endpoint_owners WHERE upstream = ?1 AND repository = ?2 AND thing IN ('tags', 'tag ' || ?3)`,
    ),
    removeOldEndpointOwners: db.prepare(
      `DELETE FROM endpoint_owners WHERE id IN (SELECT id FROM endpoint_owners ORDER BY id LIMIT ${AT_ONCE})
         AND (at < ? OR id <= (SELECT max(id) FROM endpoint_owners) - ${MOST_ROWS})`,
    ),
  }
}
