import { setTimeout as sleep } from 'node:timers/promises'
import type { SharedJobs } from '../ports/cluster.ts'
import type { Statements } from './database.ts'
import { ignoreAway } from './ignore-away.ts'
import type { Leases } from './leases.ts'

export interface SharedJobsOptions {
  readonly leases: Pick<Leases, 'claim' | 'release'>
  readonly database: Pick<Statements, 'query'>
  /** Milliseconds between two looks at a job of another replica, on average. */
  readonly lookEvery?: number
}

const LOOK_EVERY = 15_000

/** Milliseconds by which a clock may be ahead. What is due later was told by one that is wrong, and counts for nothing. */
const AHEAD = 60_000
const LATEST = `(extract(epoch FROM clock_timestamp()) * 1000)::bigint + ${AHEAD}`

/**
 * Jobs that one replica does for all. The others look now and then whether its lease has ended: they go on when
 * it died before the job was done. While the database is away nobody knows who does what, and a job waits.
 */
export function sharedJobs({ leases, database, lookEvery = LOOK_EVERY }: SharedJobsOptions): SharedJobs {
  const { query } = database

  return {
    async once(job, due, work, signal) {
      while (!(await isDone(job, due))) {
        if ((await leases.claim(keyOf(job))) === 'own') {
          try {
            // It may have been done in between.
            if (await isDone(job, due)) return
            await work()
            // What is stopped here is done by another replica.
            if (!signal.aborted) await done(job, due)
            return
          } finally {
            await leases.release(keyOf(job))
          }
        }
        await pause(signal)
      }
    },
    async inTurn(job, work, signal) {
      for (;;) {
        const claim = await leases.claim(keyOf(job))
        if (claim === undefined) return work()
        if (claim === 'own') return await work().finally(() => leases.release(keyOf(job)))
        await pause(signal)
      }
    },
  }

  function pause(signal: AbortSignal): Promise<void> {
    return sleep(lookEvery * (0.5 + Math.random()), undefined, { signal, ref: false })
  }

  /** False while the database is away: a job is never taken for done. */
  async function isDone(job: string, due: number): Promise<boolean> {
    const rows = await query<{ done: boolean }>(
      `SELECT due >= $2 AS done FROM entrepot_jobs_done WHERE job = $1 AND due <= ${LATEST}`,
      [job, due],
    ).catch(ignoreAway)
    return rows?.[0]?.done === true
  }

  async function done(job: string, due: number): Promise<void> {
    await query(
      `INSERT INTO entrepot_jobs_done SELECT $1::text, $2::bigint WHERE $2::bigint <= ${LATEST}
       ON CONFLICT (job) DO UPDATE SET due = CASE WHEN entrepot_jobs_done.due <= ${LATEST}
         THEN greatest(entrepot_jobs_done.due, excluded.due) ELSE excluded.due END`,
      [job, due],
    ).catch(ignoreAway)
  }
}

function keyOf(job: string): string {
  return `job ${job}`
}
