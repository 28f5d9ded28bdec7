import { existsSync, renameSync, rmSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { DatabaseSync } from 'node:sqlite'
import { migrate } from './schema.ts'
import { isCorrupt } from '../storage-operation.ts'

/** The index's file. When it turns out to be damaged it is set aside and begun anew: what is in it can be had again. */
export interface IndexDatabase<S> {
  /** Runs `task`; once more, on an empty index, when the file turns out to be damaged. */
  run<T>(task: (sql: S) => T): T
  /** As `run`, all or nothing. */
  transact<T>(task: (sql: S) => T): T
  /** As `transact`, `change` on one item after the other, for about a millisecond. @returns on how many: at least one, if there is one */
  transactSome<T>(items: Iterable<T>, change: (sql: S, item: T) => void): number
  /** Lets the event loop turn, and in a turn of its own brings into the file what was written. */
  rest(): Promise<void>
  close(): void
}

/** Milliseconds for which longer work holds the event loop at a time. */
const SLICE = 1
/** Pages. SQLite's own 1000 are a tenth of a second of waiting for the disk, where they are scattered over a large file. */
const CHECKPOINT = 200

/**
 * `emptied` is told each time the index begins empty. @throws Error when the file is of a later version of this program.
 */
export function indexDatabase<S>(
  file: string,
  statements: (db: DatabaseSync) => S,
  emptied: () => void,
): IndexDatabase<S> {
  let { db, sql } = openOrReplace()

  return {
    run,
    transact,
    transactSome: (items, change) =>
      transact(() => {
        const end = performance.now() + SLICE
        let done = 0
        for (const item of items) {
          change(sql, item)
          done += 1
          if (performance.now() >= end) break
        }
        return done
      }),
    async rest() {
      await turn()
      if (!db.isOpen) return
      run(() => db.exec('PRAGMA wal_checkpoint(PASSIVE)'))
      await turn()
    },
    close: () => db.close(),
  }

  function transact<T>(task: (sql: S) => T): T {
    return run(() => {
      db.exec('BEGIN IMMEDIATE')
      try {
        const result = task(sql)
        db.exec('COMMIT')
        return result
      } finally {
        // SQLite has rolled back by itself where the disk failed.
        if (db.isTransaction) db.exec('ROLLBACK')
      }
    })
  }

  function run<T>(task: (sql: S) => T): T {
    try {
      return task(sql)
    } catch (error) {
      if (!isCorrupt(error)) throw error
      db.close()
      ;({ db, sql } = replace())
      return task(sql)
    }
  }

  function openOrReplace(): { db: DatabaseSync; sql: S } {
    try {
      return open()
    } catch (error) {
      if (!isCorrupt(error)) throw error
      return replace()
    }
  }

  function replace(): { db: DatabaseSync; sql: S } {
    if (existsSync(file)) renameSync(file, `${file}.corrupt`)
    rmSync(`${file}-wal`, { force: true })
    return open()
  }

  function open(): { db: DatabaseSync; sql: S } {
    const db = new DatabaseSync(file)
    try {
      // Nobody else has the store open; so WAL needs no shared memory file, for which a full disk has no room.
      db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
      db.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT}`)
      const wasEmpty = migrate(db)
      const sql = statements(db)
      if (wasEmpty) emptied()
      return { db, sql }
    } catch (error) {
      db.close()
      throw error
    }
  }
}
