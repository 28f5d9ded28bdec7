import type { Logger } from 'pino'
import type { Config } from '../config/load-config.ts'
import type { Evictor } from '../eviction/evictor.ts'
import { scrubScheduler } from '../eviction/scrub-scheduler.ts'
import { ttlScheduler } from '../eviction/ttl-scheduler.ts'
import type { Verify } from '../ports/operations.ts'
import { cron } from './cron.ts'

export interface SchedulesOptions {
  readonly log: Logger
  readonly evictor: Pick<Evictor, 'sweep'>
  readonly verify: Verify
}

type ScheduleConfig = Pick<Config, 'storage' | 'cache'>

/**
 * What runs by the clock: the sweep of the cache and, where `storage.scrub` is given, the scrub of the store.
 */
export interface Schedules extends AsyncDisposable {
  /** Keeps to another configuration. Settles when what the previous one had begun is over. */
  configure(config: ScheduleConfig): Promise<void>
}

export function startSchedules(initial: ScheduleConfig, options: SchedulesOptions): Schedules {
  let { sweep } = initial.cache
  let running = start(initial, options)
  return {
    async configure(config) {
      if (config.cache.sweep === sweep) return
      const before = running
      sweep = config.cache.sweep
      running = start(config, options)
      await before.disposeAsync()
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

function start(
  { storage: { scrub }, cache: { sweep } }: ScheduleConfig,
  { log, evictor, verify }: SchedulesOptions,
): AsyncDisposableStack {
  const schedules = new AsyncDisposableStack()
  const failed = (err: unknown) => log.error({ err }, 'the store failed')
  schedules.use(ttlScheduler({ schedule: cron, sweep, evictor, failed }))
  if (scrub !== undefined) {
    const done = ({ objects, bad }: { readonly objects: number; readonly bad: readonly object[] }) =>
      log.info({ objects, bad }, 'verified the store')
    schedules.use(scrubScheduler({ schedule: cron, scrub, verify, done, failed }))
  }
  return schedules
}
