import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'

/** As `nice`: it gets a tenth of a processor that the main thread wants too, and all of one that is idle. */
const NICE = 10

/**
 * Puts the calling thread behind the others of the process: long work in a worker thread would still cost
 * clients half of the processor where there is one. Linux only, where threads have priorities of their own.
 */
export function runInBackground(): void {
  if (process.platform !== 'linux') return
  try {
    // `4711/task/4712`
    setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), NICE)
  } catch (error) {
    // Without /proc, or where a sandbox forbids it, the thread works as others do.
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ERR_SYSTEM_ERROR') throw error
  }
}
