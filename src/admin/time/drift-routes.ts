import { Hono } from 'hono'
import type { DriftReport } from '../../ports/time.ts'
import { periodOf } from './period.ts'
import type { AdminEnv } from '../refuse.ts'

/** `GET drift?since=7d`: which tags moved. `drift` takes milliseconds. */
export function driftRoutes(drift: (period: number) => Promise<DriftReport>): Hono<AdminEnv> {
  return new Hono<AdminEnv>().get('/drift', async (c) =>
    c.json(await drift(periodOf(c.req.query('since') ?? '7d', 'since'))),
  )
}
