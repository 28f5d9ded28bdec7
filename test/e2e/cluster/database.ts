import { Database } from '../../../src/cluster/database.ts'
import { leases as openLeases, type Leases } from '../../../src/cluster/leases.ts'
import type { Postgres } from './postgres.ts'

let count = 0

/** A connection as a replica has it. */
export function databaseOf({ url }: Pick<Postgres, 'url'>, now: () => number = Date.now): Database {
  return new Database({ url, asked() {}, now })
}

export function leasesOf(database: Database, address?: string): Leases {
  const id = `replica-${++count}`
  return openLeases({ database, id, address: address ?? `http://${id}` })
}
