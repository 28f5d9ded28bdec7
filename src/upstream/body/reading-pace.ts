import { setTimeout as sleep } from 'node:timers/promises'

const KiB = 1024
const MiB = 1024 * KiB

/** Bytes of a body that are read as they come, and weigh nothing. */
export const LIGHT = 128 * KiB

/** A part of a body, and how fast it is read. */
interface Stretch {
  /** Bytes from the beginning of the body. */
  readonly from: number
  /** Bytes per second. */
  readonly rate: number
}

/**
 * What fits into one read of a few milliseconds comes as fast as it does. Then so slowly that an answer of
 * others, which takes a few turns of the event loop, meets one read and not one in each turn. What is longer than
 * a hundred thousand tags takes its time.
 */
const STRETCHES: readonly Stretch[] = [
  { from: LIGHT, rate: 32 * MiB },
  { from: 4 * MiB, rate: 6 * MiB },
]

/**
 * Makes a function that takes the length of each piece of a body, and resolves when the next one may be read.
 * With the room for long lists, which each takes for as long as it is read, this bounds what is read of them in
 * a second, whoever asks: to receive, sort and send a list takes processors, and memory, from others (SEC-73).
 *
 * @param now milliseconds that never go back
 */
export function readingPace(
  signal?: AbortSignal,
  now: () => number = () => performance.now(),
): (bytes: number) => void | Promise<void> {
  let read = 0
  let due = now()
  return (bytes) => {
    const before = read
    read += bytes
    const time = timeOf(before, read)
    if (time === 0) return
    // What came late is not caught up with.
    due = Math.max(due, now() - LATE) + time
    const wait = due - now()
    if (wait >= 1) return sleep(wait, undefined, { ...(signal && { signal }) })
  }
}

/** Milliseconds by which timers are late now and then. */
const LATE = 4

/** Milliseconds that the bytes from `start` to `end` take at least. */
function timeOf(start: number, end: number): number {
  let time = 0
  for (const [i, { from, rate }] of STRETCHES.entries()) {
    const until = STRETCHES[i + 1]?.from ?? Infinity
    time += (Math.max(0, Math.min(end, until) - Math.max(start, from)) / rate) * 1000
  }
  return time
}
