import { setTimeout as sleep } from 'node:timers/promises'

/** Keeps what is done to a number of bytes per second, on average. */
export interface Pacer {
  /** Waits until all that was spent is paid by the time that has passed. */
  ready(signal?: AbortSignal): Promise<void>
  spent(bytes: number): void
}

/** @param now monotonic milliseconds */
export function pacer(bytesPerSecond: number, now: () => number): Pacer {
  let freeAt = now()
  return {
    async ready(signal) {
      const wait = freeAt - now()
      if (wait > 0) await sleep(wait, undefined, { ...(signal && { signal }) })
    },
    spent(bytes) {
      freeAt = Math.max(freeAt, now()) + (bytes / bytesPerSecond) * 1000
    },
  }
}
