import { Hono } from 'hono'
import type { Insight } from '../ports/insight/insight.ts'
import type { SavingsBy } from '../ports/insight/savings.ts'
import { type AdminEnv, refuse } from './refuse.ts'

const SAVINGS_BY = ['upstream', 'repository', 'client', 'day'] as const

const IMAGE_MUST = 'image must be a name such as node:20 or ghcr.io/org/app@sha256:…'

/**
 * What the process knows of itself and of other registries: `GET upstreams`, `GET traffic`, `GET why?image=`, `GET
 * savings?by=&since=`.
 */
export function insightRoutes(insight: Insight): Hono<AdminEnv> {
  return new Hono<AdminEnv>()
    .get('/upstreams', async (c) => c.json(await insight.status()))
    .get('/traffic', (c) => c.json(insight.traffic))
    .get('/savings', async (c) => {
      const { by = 'upstream', since = '30d' } = c.req.query()
      const days =
        /^([1-9]\d{0,4})d$/.exec(since)?.[1] ?? refuse(400, 'since must be a number of days such as 7d')
      if (!isBy(by)) refuse(400, `by must be one of ${SAVINGS_BY.join(', ')}`)
      return c.json(await insight.savings(by, Number(days)))
    })
    .get('/why', async (c) => {
      const image = c.req.query('image') ?? ''
      return c.json((await insight.why(image)) ?? refuse(400, IMAGE_MUST))
    })
}

function isBy(text: string): text is SavingsBy {
  return (SAVINGS_BY as readonly string[]).includes(text)
}
