/**
 * A worker thread of `write-back.ts`: writes the WAL of the index back into its file whenever it is asked to,
 * and begins the next WAL. Both wait for the disk (fsync), which would hold the event loop for as long.
 */
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'

const { location } = workerData as { readonly location: string }

parentPort!.on('message', () => {
  parentPort!.postMessage(writeBack())
})

/** @returns the message of the error; undefined when it succeeded */
function writeBack(): string | undefined {
  let db: DatabaseSync | undefined
  try {
    // Open for this only: the last connection to be closed removes the WAL, and that is the main thread's.
    db = new DatabaseSync(new URL(location))
    db.exec('PRAGMA synchronous = NORMAL')
    const { log, checkpointed } = db.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() as Record<string, number>
    // The first write after a complete write-back begins the WAL again, and syncs its header.
    if (log === checkpointed) db.exec("INSERT OR REPLACE INTO meta VALUES ('written back', datetime('now'))")
    return undefined
  } catch (error) {
    return String(error)
  } finally {
    db?.close()
  }
}
