import { Hono } from 'hono'
import type { Rehearsals } from '../../ports/time.ts'
import { periodOf } from './period.ts'
import { type AdminEnv, refuse } from '../refuse.ts'

/** Nobody leaves an upstream offline for longer by mistake. */
const LONGEST = '24h'

/**
 * Rehearses an outage: `POST upstreams/<name>/offline?for=10m`, which ends by itself, and `DELETE` ends it
 * sooner.
 */
export function rehearsalRoutes(rehearsals: Rehearsals): Hono<AdminEnv> {
  return new Hono<AdminEnv>()
    .post('/upstreams/:name/offline', (c) => {
      const name = c.req.param('name')
      c.set('target', name)
      const period = periodOf(c.req.query('for') ?? '10m', 'for')
      if (period > periodOf(LONGEST, 'for')) refuse(400, `for must be ${LONGEST} at most`)
      const until = rehearsals.begin(name, period)
      if (until === 'unknown') refuse(404, `no upstream ${name.slice(0, 300)} is configured`)
      if (until === 'always') refuse(409, `upstreams.${name}.offline is true: it is never asked`)
      return c.json({ upstream: name, offlineUntil: new Date(until).toISOString() })
    })
    .delete('/upstreams/:name/offline', (c) => {
      const name = c.req.param('name')
      c.set('target', name)
      if (!rehearsals.end(name)) refuse(404, `no rehearsal of ${name.slice(0, 300)} is running`)
      return c.json({ upstream: name })
    })
}
