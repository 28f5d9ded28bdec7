import { isRegistryError, RegistryError } from '../oci/errors.ts'
import type { StoreTelemetry } from '../ports/telemetry.ts'

/**
 * Runs one operation of the store. A system error becomes RegistryError STORAGE with the errno code as its
 * reason and without the path, and is counted.
 */
export type StorageOperation = <T>(operation: string, task: () => Promise<T>) => Promise<T>

export function storageOperation(telemetry: StoreTelemetry): StorageOperation {
  return async (operation, task) => {
    try {
      return await task()
    } catch (error) {
      const reason = reasonOf(error)
      if (error instanceof RegistryError || reason === undefined) throw error
      telemetry.failed(operation, reason)
      throw new RegistryError('STORAGE', { operation, reason }, { cause: error })
    }
  }
}

/**
 * For an operation that may fail without harm: `StorageOperation` has counted the failure. Rethrows other
 * errors.
 */
export function ignoreStorageError(error: unknown): undefined {
  if (!isRegistryError(error, 'STORAGE')) throw error
}

export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

/** @returns undefined when the file does not exist. Rethrows other errors. */
export function ignoreNotFound(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined
  throw error
}

/** SQLite's primary result codes (sqlite.org/rescode.html) and the errno code with the same cause. */
const SQLITE = { 5: 'EBUSY', 8: 'EROFS', 10: 'EIO', 11: 'ECORRUPT', 13: 'ENOSPC', 26: 'ECORRUPT' } as const

/** The errno code. SQLite's errors are translated, so that callers handle a full disk in one way. */
function reasonOf(error: unknown): string | undefined {
  const code = codeOf(error)
  if (code !== 'ERR_SQLITE_ERROR' || !(error instanceof Error && 'errcode' in error)) return code
  const primary = Number(error.errcode) & 0xff
  return SQLITE[primary as keyof typeof SQLITE] ?? `SQLITE_${primary}`
}

export function isBusy(error: unknown): boolean {
  return codeOf(error) === 'ERR_SQLITE_ERROR' && reasonOf(error) === 'EBUSY'
}

/** The database file is damaged, or is not a database. A full or failing disk does not count. */
export function isCorrupt(error: unknown): boolean {
  return codeOf(error) === 'ERR_SQLITE_ERROR' && reasonOf(error) === 'ECORRUPT'
}
