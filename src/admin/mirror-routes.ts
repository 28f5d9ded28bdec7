import { Hono } from 'hono'
import type { Jobs } from '../ports/moving/jobs.ts'
import type { Mirror } from '../ports/moving/mirror.ts'
import { bodyOf } from './body.ts'
import { jobAnswer } from './job-routes.ts'
import type { AdminEnv } from './refuse.ts'

export interface MirrorRoutesOptions {
  readonly mirror: Mirror
  readonly jobs: Pick<Jobs, 'run'>
  readonly failed: (error: unknown) => void
}

/**
 * `GET mirror`: the rules, with the report of their last run. `POST mirror {}`: runs all of them now; progress
 * as JSON lines, each a `MirrorStep`, at last `{reports}`.
 */
export function mirrorRoutes({ mirror, jobs, failed }: MirrorRoutesOptions): Hono<AdminEnv> {
  return new Hono<AdminEnv>()
    .get('/mirror', (c) => c.json({ rules: mirror.rules() }))
    .post('/mirror', async (c) => {
      await bodyOf(c, {})
      return jobAnswer(c, { jobs, kind: 'mirror', target: 'all rules', failed }, async (job, put) => ({
        reports: await mirror.run(job, put),
      }))
    })
}
