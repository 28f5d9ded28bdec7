import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'

/** As `nice`: it gets a tenth of a processor that the main thread wants too, and all of one that is idle. */
const NICE = 10
/** It gets next to nothing of such a processor. */
const NICEST = 19

/**
 * Puts the calling thread behind the others of the process: long work in a worker thread would still cost
 * clients half of the processor where there is one. Linux only, where threads have priorities of their own.
 */
export function runInBackground(): void {
  whereThreadsHavePriorities(() => {
    // `4711/task/4712`
    setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), NICE)
  })
}

/**
 * Does the same for the threads on which V8 collects and compiles. The main thread wakes one while it is at work,
 * and Linux would let it go first on the same processor, for milliseconds, while another one is idle (SEC-73).
 * Where the main thread waits for one, nobody is before it.
 */
export function runHelpersInBackground(): void {
  whereThreadsHavePriorities(() => {
    const threads = '/proc/self/task'
    for (const thread of readdirSync(threads)) {
      if (readFileSync(`${threads}/${thread}/comm`, 'utf8').trim() === HELPER)
        setPriority(Number(thread), NICEST)
    }
  })
}

/** What Node calls them. */
const HELPER = 'V8Worker'

function whereThreadsHavePriorities(change: () => void): void {
  if (process.platform !== 'linux') return
  try {
    change()
  } catch (error) {
    // Without /proc, or where a sandbox forbids it, the threads work as others do.
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ERR_SYSTEM_ERROR') throw error
  }
}
