import { existsSync, renameSync, rmSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { DatabaseSync } from 'node:sqlite'
import { lockHolders } from '../lock-holders.ts'
import { privateFile } from '../private-file.ts'
import { isBusy, isCorrupt } from '../storage-operation.ts'
import { migrate } from './schema.ts'

/**
 * The index file. A damaged one is set aside and replaced by an empty one, because its rows can be rebuilt.
 */
export interface IndexDatabase<S> {
  /** Runs `task`, and again on an empty index when the file turns out to be damaged. */
  run<T>(task: (sql: S) => T): T
  /** Runs `task` in a transaction. */
  transact<T>(task: (sql: S) => T): T
  /**
   * Applies `change` to one item after another in one transaction, for about a millisecond.
   *
   * @returns how many items were changed: at least one, unless there are none
   */
  transactSome<T>(items: Iterable<T>, change: (sql: S, item: T) => void): number
  /** Lets the event loop turn, and writes the WAL back into the file in a turn of its own. */
  rest(): Promise<void>
  close(): void
}

/** Milliseconds for which one slice of a long change holds the event loop. */
const SLICE = 1
/**
 * Pages of the WAL at which SQLite checkpoints by itself. Its default of 1000 waits a tenth of a second for
 * the disk when the pages are scattered over a large file.
 */
const AUTOCHECKPOINT = 200

/**
 * Opens the index. `emptied` is called each time the index starts empty.
 *
 * @throws Error when a later version of this program wrote the file, or another program has it locked.
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
      await nextTurn()
      if (!db.isOpen) return
      run(() => db.exec('PRAGMA wal_checkpoint(PASSIVE)'))
      await nextTurn()
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
        // SQLite has already rolled back when the disk failed.
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
    privateFile(file)
    const db = new DatabaseSync(file)
    try {
      // In exclusive mode the WAL needs no shared memory file, which a full disk has no room for.
      db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
      db.exec(`PRAGMA wal_autocheckpoint = ${AUTOCHECKPOINT}`)
      const wasEmpty = migrate(db)
      const sql = statements(db)
      if (wasEmpty) emptied()
      return { db, sql }
    } catch (error) {
      db.close()
      if (!isBusy(error)) throw error
      const holders = lockHolders(file).join(', ') || 'another program'
      throw new Error(`${file} is locked by ${holders}, which has to end first`, { cause: error })
    }
  }
}
