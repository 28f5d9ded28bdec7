import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseSync } from 'node:sqlite'
import { lockHolders } from './lock-holders.ts'
import { privateFile } from './private-file.ts'
import { codeOf, isBusy, isCorrupt } from './storage-operation.ts'

export interface Lock {
  /** The last holder was killed, or left work unfinished: its last change may be half done. */
  readonly wasAbandoned: boolean
  /**
   * The session of the index when the last holder closed it. Another one now: an older index was restored
   * (FR-42).
   */
  readonly lastSession: string | undefined
  /** With `unfinished`, the next holder finds the lock abandoned. */
  release(options: { readonly unfinished: boolean; readonly session?: string }): void
}

/** Another process has the store open. */
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

/**
 * Milliseconds to wait for the lock. Another process holds it this briefly while it reads the holder's pid.
 */
const BUSY_TIMEOUT = 100
/** Milliseconds between two attempts to get a lock that another process holds. */
const RETRY_EVERY = 200

export interface LockWait {
  /** Milliseconds to wait for another process to close the store. */
  readonly timeout: number
  /** Called once, before the wait, with the process that holds the lock. */
  readonly waiting: (holder: string) => void
}

/**
 * As `acquireLock`, and waits for the process that holds the lock: a rolling update on one volume (FR-44).
 */
export async function waitForLock(path: string, { timeout, waiting }: LockWait): Promise<Lock> {
  const deadline = performance.now() + timeout
  for (let isWaiting = false; ; isWaiting = true) {
    try {
      return acquireLock(path)
    } catch (error) {
      if (!isInUse(error) || performance.now() >= deadline) throw error
      if (!isWaiting) waiting(error.holder)
    }
    await sleep(RETRY_EVERY)
  }
}

/**
 * Keeps a second process out of the store. The lock is a SQLite file lock: the kernel releases it when the
 * process dies, and unlike a pid file it works across containers.
 *
 * @throws StoreInUse (see `isInUse`), which names the pid of the holder.
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
  privateFile(path)
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT })
  try {
    db.exec('BEGIN IMMEDIATE')
    const last = recordHolder(db)
    db.exec('BEGIN IMMEDIATE')
    return { ...last, release: (options) => release(db, options) }
  } catch (error) {
    const holder = isBusy(error) ? holderOf(db, path) : undefined
    db.close()
    throw holder === undefined ? error : new StoreInUse(holder, path, { cause: error })
  }
}

/** Ends the transaction. @returns what the last holder left */
function recordHolder(db: DatabaseSync): Pick<Lock, 'wasAbandoned' | 'lastSession'> {
  try {
    db.exec('CREATE TABLE IF NOT EXISTS holder (pid INTEGER NOT NULL) STRICT')
    db.exec('CREATE TABLE IF NOT EXISTS session (id TEXT NOT NULL) STRICT')
    const wasAbandoned = db.prepare('SELECT pid FROM holder').get() !== undefined
    const session = db.prepare('SELECT id FROM session').get()?.['id']
    db.exec(`DELETE FROM holder; INSERT INTO holder VALUES (${process.pid}); COMMIT`)
    return { wasAbandoned, lastSession: session === undefined ? undefined : String(session) }
  } catch (error) {
    if (codeOf(error) !== 'ERR_SQLITE_ERROR' || isCorrupt(error)) throw error
    // A full disk prevents the record, but not the lock.
    if (db.isTransaction) db.exec('ROLLBACK')
    return { wasAbandoned: true, lastSession: undefined }
  }
}

function holderOf(db: DatabaseSync, path: string): string {
  try {
    const row = db.prepare('SELECT pid FROM holder').get() as { pid: number } | undefined
    if (row !== undefined) return `process ${row.pid}`
  } catch (error) {
    if (codeOf(error) !== 'ERR_SQLITE_ERROR') throw error
  }
  return lockHolders(path).join(', ') || 'an unknown process'
}

function release(db: DatabaseSync, { unfinished, session }: Parameters<Lock['release']>[0]): void {
  try {
    if (unfinished) return
    db.exec('DELETE FROM holder; DELETE FROM session')
    if (session !== undefined) db.prepare('INSERT INTO session VALUES (?)').run(session)
    db.exec('COMMIT')
  } catch (error) {
    // The record stays, and the next holder checks the files.
    if (codeOf(error) !== 'ERR_SQLITE_ERROR') throw error
  } finally {
    db.close()
  }
}
