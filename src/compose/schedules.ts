import type { Logger } from 'pino'
import type { Config } from '../config/load-config.ts'
import type { Evictor } from '../eviction/evictor.ts'
import { scrubScheduler } from '../eviction/scrub-scheduler.ts'
import { ttlScheduler } from '../eviction/ttl-scheduler.ts'
import type { Verify } from '../ports/operations.ts'

export interface SchedulesOptions {
  readonly log: Logger
  readonly evictor: Pick<Evictor, 'sweep'>
  readonly verify: Verify
}

/**
 * What runs by the clock: the sweep of the cache and, where `storage.scrub` is given, the scrub of the store.
 */
export function startSchedules(
  { storage: { scrub }, cache: { sweep } }: Pick<Config, 'storage' | 'cache'>,
  { log, evictor, verify }: SchedulesOptions,
): AsyncDisposable {
  const schedules = new AsyncDisposableStack()
  const failed = (err: unknown) => log.error({ err }, 'the store failed')
  schedules.adopt(ttlScheduler({ sweep, evictor, failed }), (scheduler) => scheduler.stop())
  if (scrub !== undefined) {
    const done = ({ objects, bad }: { readonly objects: number; readonly bad: readonly object[] }) =>
      log.info({ objects, bad }, 'verified the store')
    schedules.adopt(scrubScheduler({ scrub, verify, done, failed }), (scheduler) => scheduler.stop())
  }
  return schedules
}
