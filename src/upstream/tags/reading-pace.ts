import { setTimeout as sleep } from 'node:timers/promises'

const MiB = 1024 * 1024
/** Bytes of one page that are read as fast as they come: more than a hundred thousand tags. */
const AT_ONCE = 4 * MiB
/** Bytes per second of what follows. */
const RATE = 6 * MiB

/**
 * Makes a function that takes the length of each piece of a page, and resolves when the next one may be read.
 * With the room for long lists, which each takes for as long as it is read, this bounds what is read of them in
 * a second, whoever asks: to receive, sort and send a list takes processors, and memory, from others (SEC-73).
 *
 * @param now milliseconds that never go back
 */
export function readingPace(
  signal: AbortSignal,
  now: () => number = () => performance.now(),
): (bytes: number) => void | Promise<void> {
  let read = 0
  let since = now()
  return (bytes) => {
    read += bytes
    if (read <= AT_ONCE) {
      since = now()
      return
    }
    const wait = since + ((read - AT_ONCE) / RATE) * 1000 - now()
    // A timer is not exact to the millisecond.
    if (wait > 5) return sleep(wait, undefined, { signal })
  }
}
