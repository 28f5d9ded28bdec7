import type { Logger } from 'pino'
import { isRegistryError } from '../oci/errors.ts'
import type { StoreUsage } from '../ports/metadata.ts'

/** What operators read in the log about the store's failures and its disk. */
export interface StoreLog {
  /** Something could not be stored, or a download failed. */
  readonly failed: (error: unknown, message: string, download?: object) => void
  /** Warns when the limits leave no room on this disk. */
  check(usage: StoreUsage): void
  /** The warning, as long as it holds. */
  readonly problem: string | undefined
}

export function storeLog(log: Logger, minFree: number): StoreLog {
  let problem: string | undefined
  return {
    failed(err, message, download) {
      // Without room everything passes through: the metric counts that, and a line with a stack for each would fill the log.
      if (isRegistryError(err, 'STORAGE') && err.detail['operation'] === 'reserve')
        log.debug({ ...download, ...err.detail }, 'no room in the store, passed through')
      else log[download === undefined ? 'error' : 'warn']({ ...download, err }, message)
    },
    check({ disk: { totalBytes } }) {
      if (minFree < totalBytes) return
      problem =
        `storage.minFree is ${minFree} bytes and the disk has ${totalBytes}: ` +
        'nothing is stored, set storage.minFree lower'
      log.warn({ minFree, totalBytes }, problem)
    },
    get problem() {
      return problem
    },
  }
}
