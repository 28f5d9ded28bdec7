import { Hono } from 'hono'
import type { Insight } from '../ports/insight.ts'
import type { AdminEnv } from './refuse.ts'

/** What the process knows of itself and of other registries: `GET upstreams`. */
export function insightRoutes(insight: Insight): Hono<AdminEnv> {
  return new Hono<AdminEnv>().get('/upstreams', async (c) => c.json(await insight.status()))
}
