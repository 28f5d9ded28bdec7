import { Hono } from 'hono'
import type { Drill } from '../../ports/insight/drill.ts'
import type { AdminEnv } from '../refuse.ts'
import { periodOf } from './period.ts'

/** `GET drill?upstream=&since=7d`: what pulls would get if the upstream were gone. */
export function drillRoutes(drill: Drill): Hono<AdminEnv> {
  return new Hono<AdminEnv>().get('/drill', async (c) => {
    const { upstream, since = '7d' } = c.req.query()
    return c.json(await drill(periodOf(since, 'since'), upstream))
  })
}
