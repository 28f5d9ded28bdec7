import { rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { codeOf, isBusy, isCorrupt } from './storage-errors.ts'

export interface Lock {
  /** The last holder was killed, or left something unfinished: what it did may be half done. */
  readonly wasAbandoned: boolean
  /** `unfinished`: the next holder is to find it abandoned. */
  release(options?: { readonly unfinished: boolean }): void
}

/** Another process has the store. */
class StoreInUse extends Error {
  readonly code = 'ESTOREINUSE'
  /** `process 4711` */
  readonly holder: string

  constructor(holder: string, path: string, options: ErrorOptions) {
    super(`the store is in use by ${holder} (${path})`, options)
    this.holder = holder
  }
}

export function isInUse(error: unknown): error is Error & { readonly holder: string } {
  return error instanceof StoreInUse
}

/** Milliseconds. Long enough for another's look at who holds it. */
const PATIENCE = 100

/**
 * Keeps a second process out of the store. It is SQLite's lock on a file, for it is the kernel's: it ends with its holder however
 * that dies, and holds between containers, where the same pid means somebody else.
 *
 * @throws Error, of which `isInUse` holds, naming the pid of the process that holds it.
 */
export function acquireLock(path: string): Lock {
  try {
    return acquire(path)
  } catch (error) {
    if (!isCorrupt(error)) throw error
    rmSync(path)
    rmSync(`${path}-journal`, { force: true })
    return { ...acquire(path), wasAbandoned: true }
  }
}

function acquire(path: string): Lock {
  const db = new DatabaseSync(path, { timeout: PATIENCE })
  try {
    db.exec('BEGIN IMMEDIATE')
    const wasAbandoned = leaveName(db)
    db.exec('BEGIN IMMEDIATE')
    return { wasAbandoned, release: ({ unfinished } = { unfinished: false }) => release(db, unfinished) }
  } catch (error) {
    const holder = isBusy(error) ? `process ${holderOf(db) ?? 'unknown'}` : undefined
    db.close()
    throw holder === undefined ? error : new StoreInUse(holder, path, { cause: error })
  }
}

/** Ends the transaction. @returns whether the name of an earlier holder was still there */
function leaveName(db: DatabaseSync): boolean {
  try {
    db.exec('CREATE TABLE IF NOT EXISTS holder (pid INTEGER NOT NULL) STRICT')
    const wasAbandoned = db.prepare('SELECT pid FROM holder').get() !== undefined
    db.exec(`DELETE FROM holder; INSERT INTO holder VALUES (${process.pid}); COMMIT`)
    return wasAbandoned
  } catch (error) {
    if (codeOf(error) !== 'ERR_SQLITE_ERROR' || isCorrupt(error)) throw error
    // A full disk keeps nobody from locking, only from leaving a name.
    if (db.isTransaction) db.exec('ROLLBACK')
    return true
  }
}

function holderOf(db: DatabaseSync): number | undefined {
  try {
    return (db.prepare('SELECT pid FROM holder').get() as { pid: number } | undefined)?.pid
  } catch (error) {
    if (codeOf(error) === 'ERR_SQLITE_ERROR') return undefined
    throw error
  }
}

function release(db: DatabaseSync, unfinished: boolean): void {
  try {
    if (!unfinished) db.exec('DELETE FROM holder; COMMIT')
  } catch (error) {
    // The name stays, and the next holder looks more closely.
    if (codeOf(error) !== 'ERR_SQLITE_ERROR') throw error
  } finally {
    db.close()
  }
}
