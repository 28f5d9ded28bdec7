import { isRegistryError, RegistryError } from '../oci/errors.ts'
import type { StoreTelemetry } from '../ports/telemetry.ts'

/** Runs one operation of the store. What the system refuses becomes RegistryError STORAGE, counted, with the errno code and no path. */
export type Attempt = <T>(operation: string, task: () => Promise<T>) => Promise<T>

export function attempts(telemetry: StoreTelemetry): Attempt {
  return async (operation, task) => {
    try {
      return await task()
    } catch (error) {
      const reason = reasonOf(error)
      if (error instanceof RegistryError || reason === undefined) throw error
      telemetry.failed(operation)
      throw new RegistryError('STORAGE', { operation, reason }, { cause: error })
    }
  }
}

/** For what may fail without harm: `attempt` has counted it. */
export function forgiveStorage(error: unknown): undefined {
  if (!isRegistryError(error, 'STORAGE')) throw error
}

export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

/** @returns undefined for what is not there, and throws everything else on. */
export function unlessMissing(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined
  throw error
}

/** SQLite's primary result codes (sqlite.org/rescode.html) and what the system would have called them. */
const SQLITE = { 5: 'EBUSY', 8: 'EROFS', 10: 'EIO', 11: 'ECORRUPT', 13: 'ENOSPC', 26: 'ECORRUPT' } as const

/** The errno code; SQLite's failures by the cause they have on a disk, so that a full one is a full one whoever met it. */
function reasonOf(error: unknown): string | undefined {
  const code = codeOf(error)
  if (code !== 'ERR_SQLITE_ERROR' || !(error instanceof Error && 'errcode' in error)) return code
  const primary = Number(error.errcode) & 0xff
  return SQLITE[primary as keyof typeof SQLITE] ?? `SQLITE_${primary}`
}

export function isBusy(error: unknown): boolean {
  return codeOf(error) === 'ERR_SQLITE_ERROR' && reasonOf(error) === 'EBUSY'
}

/** A database file that is damaged, or none. A full or failing disk is another matter. */
export function isCorrupt(error: unknown): boolean {
  return codeOf(error) === 'ERR_SQLITE_ERROR' && reasonOf(error) === 'ECORRUPT'
}
