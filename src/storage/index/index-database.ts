import { existsSync, renameSync, rmSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { DatabaseSync } from 'node:sqlite'
import { lockHolders } from '../lock-holders.ts'
import { privateFile } from '../private-file.ts'
import { isBusy, isCorrupt } from '../storage-operation.ts'
import { migrate } from './schema.ts'
import { writeBack } from './write-back.ts'

/**
 * Changes one item, or a part of it: a small step.
 *
 * @returns 'more' when it has to be called again with the same item
 */
export type Change<S, T> = (sql: S, item: T) => 'more' | void

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
   * @returns how many items are done; 0 when the first one is not done yet
   */
  transactSome<T>(items: Iterable<T>, change: Change<S, T>): number
  /**
   * Resolves when a change that failed as busy can be tried again: the thread that writes the WAL back locks
   * the file for the time of one fsync.
   */
  unlocked(): Promise<void>
  /**
   * Waits until the WAL is written back, when several slices have been written since. SQLite would do it by
   * itself in the next slice, and hold the event loop for as long as the disk takes.
   */
  ready(): Promise<void>
  /**
   * Begins what `ready` would wait for: what does not change the index, such as the removal of files, goes on
   * meanwhile.
   */
  getReady(): void
  /** Lets the event loop turn between two slices, and waits as `ready` does. */
  rest(): Promise<void>
  /** As SQLite takes it: other threads may open connections of their own, and have to close them first. */
  readonly location: URL
  /** Bytes of the pages in use. The file does not shrink, but its free pages are used again. */
  readonly bytes: number
  /** Ends the thread that writes the WAL back: nothing is busy any more. */
  endWriteBack(): Promise<void>
  close(): void
}

/** Milliseconds for which one slice of a long change holds the event loop. */
const SLICE = 1
/**
 * Slices after which a long change waits for the WAL, which would grow to the size of all that is changed. A
 * slice of a purge writes 70 pages on average, and up to 110.
 */
const SLICES_PER_WRITE_BACK = 40
/** Milliseconds between two looks whether there is something to write back, */
const WRITE_BACK_EVERY = 1_000
/** and the changed rows that are worth it. */
const WORTH_WRITING = 200
/**
 * Pages of the WAL at which SQLite writes it back by itself, on this thread: a last resort, 32 MiB. It waits
 * for the disk.
 */
const AUTOCHECKPOINT = 8_000

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
  const location = locationOf(file)
  let { db, sql } = openOrReplace()
  let slices = 0
  let written = totalChanges()
  const writing = writeBack(location)
  const timer = setInterval(() => {
    const changes = totalChanges()
    if (Math.abs(changes - written) < WORTH_WRITING) return
    written = changes
    void writing.run()
  }, WRITE_BACK_EVERY).unref()

  return {
    run,
    transact,
    transactSome: (items, change) =>
      transact(() => {
        slices += 1
        const end = performance.now() + SLICE
        let done = 0
        for (const item of items) {
          let isDone = false
          while (!isDone) {
            isDone = change(sql, item) !== 'more'
            if (isDone) done += 1
            if (performance.now() >= end) return done
          }
        }
        return done
      }),
    unlocked: () => writing.run(),
    ready,
    getReady() {
      if (slices >= SLICES_PER_WRITE_BACK) void writing.run()
    },
    async rest() {
      await ready()
      await nextTurn()
    },
    location,
    get bytes() {
      const sizes = ['page_count', 'freelist_count', 'page_size'].map(pragma)
      return (sizes[0]! - sizes[1]!) * sizes[2]!
    },
    async endWriteBack() {
      clearInterval(timer)
      await writing.close()
    },
    close: () => db.close(),
  }

  async function ready(): Promise<void> {
    if (slices < SLICES_PER_WRITE_BACK) return
    slices = 0
    await writing.run()
  }

  function totalChanges(): number {
    return Number(db.prepare('SELECT total_changes() AS changes').get()!['changes'])
  }

  function pragma(name: string): number {
    return Number(db.prepare(`PRAGMA ${name}`).get()![name])
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
    const db = new DatabaseSync(location)
    try {
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
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

/**
 * The file as this process opens it. The VFS `unix-excl` keeps other processes out, and the WAL's index on
 * the heap: it needs no shared memory file, for which a full disk has no room. Connections of other threads
 * are let in.
 */
function locationOf(file: string): URL {
  const location = pathToFileURL(file)
  location.searchParams.set('vfs', 'unix-excl')
  return location
}
