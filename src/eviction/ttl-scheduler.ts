import type { Schedule, Scheduled } from '../util/async/by-the-clock.ts'
import type { Evictor } from './evictor.ts'

export interface TtlSchedulerOptions {
  readonly schedule: Schedule
  /** When, as a cron expression. */
  readonly sweep: string
  readonly evictor: Pick<Evictor, 'sweep'>
  readonly failed: (error: unknown) => void
}

/** Evicts expired content and tags on a schedule. Sweeps do not overlap. */
export function ttlScheduler({ schedule, sweep, evictor, failed }: TtlSchedulerOptions): Scheduled {
  return schedule(sweep, () => evictor.sweep().catch(failed))
}
