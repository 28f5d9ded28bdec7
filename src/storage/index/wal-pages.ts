import type { DatabaseSync } from 'node:sqlite'

/** The leaf of the row that is changed, and of its entries in indexes. */
const PAGES_PER_CHANGE = 3

/** Counts the pages of the WAL that are not in the file yet. Waits for nobody, and for no disk. */
export interface WalPages {
  /** An estimate where SQLite is older than 3.51, as that of Node.js 24.12 is. */
  readonly unwritten: number
  /** Called when they have been written back, for the estimate. */
  written(): void
}

export function walPages(db: DatabaseSync, version = process.versions['sqlite'] ?? '0'): WalPages {
  return isAtLeast(version, 3, 51) ? counted(db) : estimated(db)
}

function counted(db: DatabaseSync): WalPages {
  // An older SQLite takes it for PASSIVE, which writes back.
  const statement = db.prepare('PRAGMA wal_checkpoint(NOOP)')
  return {
    get unwritten() {
      const { log, checkpointed } = statement.get() as Readonly<Record<'log' | 'checkpointed', number>>
      return log - checkpointed
    },
    written() {},
  }
}

function estimated(db: DatabaseSync): WalPages {
  const statement = db.prepare('SELECT total_changes() AS changes')
  const changes = (): number => Number(statement.get()!['changes'])
  let before = changes()
  return {
    get unwritten() {
      return (changes() - before) * PAGES_PER_CHANGE
    },
    written() {
      before = changes()
    },
  }
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number)
  return ownMajor > major || (ownMajor === major && ownMinor >= minor)
}
