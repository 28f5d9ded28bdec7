import type { BadObject, Verify } from '../ports/operations.ts'
import type { Schedule, Scheduled } from '../util/async/by-the-clock.ts'

export interface ScrubSchedulerOptions {
  readonly schedule: Schedule
  /** When, as a cron expression. */
  readonly scrub: string
  readonly verify: Verify
  readonly done: (report: { readonly objects: number; readonly bad: readonly BadObject[] }) => void
  readonly failed: (error: unknown) => void
}

/** Leaves most of a disk's throughput to clients. */
const BYTES_PER_SECOND = 50 * 1024 * 1024

/** Verifies the whole store on a schedule. Runs do not overlap. Disposing it ends a verification that runs. */
export function scrubScheduler(options: ScrubSchedulerOptions): Scheduled {
  const { schedule, scrub, verify, done, failed } = options
  const ending = new AbortController()
  const scheduled = schedule(scrub, () =>
    run().catch((error: unknown) => {
      if (!ending.signal.aborted) failed(error)
    }),
  )

  return {
    async [Symbol.asyncDispose]() {
      ending.abort()
      await scheduled[Symbol.asyncDispose]()
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
