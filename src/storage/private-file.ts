import { chmodSync, closeSync, fchownSync, fstatSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { ownerToServeSync } from './owner.ts'
import { codeOf } from './storage-operation.ts'

/**
 * Makes sure that a file exists and is for its owner only (SEC-76). SQLite would create it by the umask, and
 * gives its journals the mode of the database.
 */
export function privateFile(path: string): void {
  const file = openSync(path, 'a', 0o600)
  try {
    if ((fstatSync(file).mode & 0o077) !== 0) chmodSync(path, 0o600)
    const owner = ownerToServeSync(dirname(path))
    if (owner !== undefined) fchownSync(file, owner.uid, owner.gid)
  } catch (error) {
    // The store of another user, whose group this process is in.
    if (codeOf(error) !== 'EPERM') throw error
  } finally {
    closeSync(file)
  }
}
