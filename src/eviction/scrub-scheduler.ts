import { schedule } from 'node-cron'
import type { BadObject, Verify } from '../ports/operations.ts'

export interface ScrubScheduler {
  /** Ends the schedule, and a running verification. */
  stop(): Promise<void>
}

export interface ScrubSchedulerOptions {
  /** node-cron syntax. */
  readonly scrub: string
  readonly verify: Verify
  readonly done: (report: { readonly objects: number; readonly bad: readonly BadObject[] }) => void
  readonly failed: (error: unknown) => void
}

/** Leaves most of a disk's throughput to clients. */
const BYTES_PER_SECOND = 50 * 1024 * 1024

/** Verifies the whole store on a schedule. Runs do not overlap. */
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
