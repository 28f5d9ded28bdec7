import { Hono } from 'hono'
import type { Insight } from '../ports/insight.ts'
import { type AdminEnv, refuse } from './refuse.ts'

const IMAGE_MUST = 'image must be a name such as node:20 or ghcr.io/org/app@sha256:…'

/** What the process knows of itself and of other registries: `GET upstreams`, `GET why?image=`. */
export function insightRoutes(insight: Insight): Hono<AdminEnv> {
  return new Hono<AdminEnv>()
    .get('/upstreams', async (c) => c.json(await insight.status()))
    .get('/why', async (c) => {
      const image = c.req.query('image') ?? ''
      return c.json((await insight.why(image)) ?? refuse(400, IMAGE_MUST))
    })
}
