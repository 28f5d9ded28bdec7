import { existsSync, renameSync, rmSync } from 'node:fs'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { DatabaseSync } from 'node:sqlite'
import { lockHolders } from '../lock-holders.ts'
import { privateFile } from '../private-file.ts'
import { codeOf, isBusy, isCorrupt } from '../storage-operation.ts'
import { migrate } from './schema.ts'
import { type WalPages, walPages } from './wal-pages.ts'
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
   * Applies `change` to one item after another in one transaction, for about half a millisecond.
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
   * Waits until the WAL is written back, when much of it is not. SQLite would do it by itself in one of the
   * next slices, and hold the event loop for as long as the disk takes.
   */
  ready(): Promise<void>
  /**
   * Begins what `ready` would wait for: what does not change the index, such as the removal of files, goes on
   * meanwhile.
   */
  getReady(): void
  /** Lets the event loop turn between two slices, or pauses, and waits as `ready` does. */
  rest(isPause?: boolean): Promise<void>
  /** As SQLite takes it: other threads may open connections of their own, and have to close them first. */
  readonly location: URL
  /** Bytes of the pages in use. The file does not shrink, but its free pages are used again. */
  readonly bytes: number
  /** Ends the thread that writes the WAL back: nothing is busy any more. */
  endWriteBack(): Promise<void>
  close(): void
}

interface Opened<S> {
  readonly db: DatabaseSync
  readonly sql: S
  readonly wal: WalPages
}

/** Milliseconds for which one slice of a long change holds the event loop. */
const SLICE = 0.5
/**
 * Milliseconds of a pause. An answer takes several turns of the event loop, and slices without pauses would
 * hold up each of them.
 */
export const PAUSE = 4
/** Pages of the WAL that a long change leaves to be written back before it goes on: 8 MiB. */
const MOST_UNWRITTEN = 2_000
/** Milliseconds between two looks whether there is something to write back, */
const WRITE_BACK_EVERY = 1_000
/** and the pages that are worth it. */
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
  let { db, sql, wal } = openOrReplace()
  const writing = writeBack(location)
  const timer = setInterval(() => void writeBackFrom(WORTH_WRITING), WRITE_BACK_EVERY).unref()

  return {
    run,
    transact,
    transactSome: (items, change) =>
      transact(() => {
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
    ready: () => writeBackFrom(MOST_UNWRITTEN),
    getReady: () => void writeBackFrom(MOST_UNWRITTEN),
    async rest(isPause = false) {
      await writeBackFrom(MOST_UNWRITTEN)
      await (isPause ? sleep(PAUSE) : nextTurn())
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

  /** Writes the WAL back when so many of its pages are not in the file. */
  async function writeBackFrom(pages: number): Promise<void> {
    if (unwritten() < pages) return
    wal.written()
    await writing.run()
  }

  function unwritten(): number {
    try {
      return wal.unwritten
    } catch (error) {
      // Whoever uses the index next fails as well, and deals with it.
      if (codeOf(error) !== 'ERR_SQLITE_ERROR') throw error
      return 0
    }
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
      ;({ db, sql, wal } = replace())
      return task(sql)
    }
  }

  function openOrReplace(): Opened<S> {
    try {
      return open()
    } catch (error) {
      if (!isCorrupt(error)) throw error
      return replace()
    }
  }

  function replace(): Opened<S> {
    if (existsSync(file)) renameSync(file, `${file}.corrupt`)
    rmSync(`${file}-wal`, { force: true })
    return open()
  }

  function open(): Opened<S> {
    privateFile(file)
    const db = new DatabaseSync(location)
    try {
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
      db.exec(`PRAGMA wal_autocheckpoint = ${AUTOCHECKPOINT}`)
      const wasEmpty = migrate(db)
      const sql = statements(db)
      if (wasEmpty) emptied()
      return { db, sql, wal: walPages(db) }
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
