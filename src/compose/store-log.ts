import type { Logger } from 'pino'
import type { StoreUsage } from '../ports/metadata.ts'

/** What operators read in the log about the disk of the store. */
export interface StoreLog {
  /** Warns when the limits leave no room on this disk. */
  check(usage: StoreUsage): void
  /** The warning, as long as it holds. */
  readonly problem: string | undefined
}

export function storeLog(log: Logger, minFree: number): StoreLog {
  let problem: string | undefined
  return {
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
