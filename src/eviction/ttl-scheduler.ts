import { schedule } from 'node-cron'
import type { Evictor } from './evictor.ts'

export interface TtlScheduler {
  /** Ends the schedule; a sweep that runs is waited for. */
  stop(): Promise<void>
}

export interface TtlSchedulerOptions {
  /** node-cron syntax. */
  readonly sweep: string
  readonly evictor: Pick<Evictor, 'sweep'>
  readonly failed: (error: unknown) => void
}

/** Looks now and then for content and tags whose time is over. A sweep that takes longer than its interval is not overtaken. */
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
