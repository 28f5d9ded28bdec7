import { schedule } from 'node-cron'
import type { Evictor } from './evictor.ts'

export interface TtlScheduler {
  /** Ends the schedule, and waits for a running sweep. */
  stop(): Promise<void>
}

export interface TtlSchedulerOptions {
  /** node-cron syntax. */
  readonly sweep: string
  readonly evictor: Pick<Evictor, 'sweep'>
  readonly failed: (error: unknown) => void
}

/** Evicts expired content and tags on a schedule. Sweeps do not overlap. */
export function ttlScheduler({ sweep, evictor, failed }: TtlSchedulerOptions): TtlScheduler {
  let running: Promise<void> = Promise.resolve()
  const task = schedule(
    sweep,
    () => {
      running = evictor.sweep().catch(failed)
      return running
    },
    { noOverlap: true },
  )

  return {
    async stop() {
      await task.destroy()
      await running
    },
  }
}
