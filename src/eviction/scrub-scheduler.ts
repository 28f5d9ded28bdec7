import { schedule } from 'node-cron'
import type { BadObject, Verify } from '../ports/operations.ts'

export interface ScrubScheduler {
  /** Ends the schedule, and the verification that runs. */
  stop(): Promise<void>
}

export interface ScrubSchedulerOptions {
  /** node-cron syntax. */
  readonly scrub: string
  readonly verify: Verify
  readonly done: (report: { readonly objects: number; readonly bad: readonly BadObject[] }) => void
  readonly failed: (error: unknown) => void
}

/** Slow enough to leave a disk to those who pull. */
const BYTES_PER_SECOND = 50 * 1024 * 1024

/** Verifies all that is stored, now and then. One that takes longer than its interval is not overtaken. */
export function scrubScheduler({ scrub, verify, done, failed }: ScrubSchedulerOptions): ScrubScheduler {
  const ending = new AbortController()
  let running: Promise<void> = Promise.resolve()
  const task = schedule(
    scrub,
    () => {
      running = run().catch((error: unknown) => {
        if (!ending.signal.aborted) failed(error)
      })
      return running
    },
    { noOverlap: true },
  )

  return {
    async stop() {
      ending.abort()
      await task.destroy()
      await running
    },
  }

  async function run(): Promise<void> {
    const bad: BadObject[] = []
    let objects = 0
    for await (const step of verify({ bytesPerSecond: BYTES_PER_SECOND, signal: ending.signal })) {
      bad.push(...step.bad)
      objects = step.checked.objects
    }
    done({ objects, bad })
  }
}
