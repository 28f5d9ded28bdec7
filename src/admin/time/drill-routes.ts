import { Hono } from 'hono'
import type { Drill } from '../../ports/insight/drill.ts'
import { type AdminEnv, refuse } from '../refuse.ts'
import { periodOf } from './period.ts'

/** `GET drill?upstream=&since=7d`: what pulls would get if the upstream were gone. */
export function drillRoutes(drill: Drill): Hono<AdminEnv> {
  return new Hono<AdminEnv>().get('/drill', async (c) => {
    const { upstream, since = '7d' } = c.req.query()
    const report = await drill(periodOf(since, 'since'), upstream)
    return c.json(report ?? refuse(404, `no upstream ${upstream?.slice(0, 300)} is configured`))
  })
}
