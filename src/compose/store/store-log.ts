import type { Logger } from 'pino'
import type { StoreUsage } from '../../ports/metadata.ts'
import { timeBetween } from '../../util/time-between.ts'

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

/** Milliseconds between two lines about it. */
const TOLD_EVERY = 60_000

/** Warns that content which `views.retain` was to keep is evicted. */
export function brokenPromise(
  log: Pick<Logger, 'warn'>,
  now: () => number,
): (contents: readonly { readonly size: number }[]) => void {
  let told = -Infinity
  return (contents) => {
    if (timeBetween(now(), told) < TOLD_EVERY) return
    told = now()
    const bytes = contents.reduce((sum, { size }) => sum + size, 0)
    log.warn(
      { objects: contents.length, bytes },
      'the store is full, and content that views.retain was to keep is evicted: raise storage.maxSize, or retain less',
    )
  }
}
