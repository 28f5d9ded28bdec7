import { Hono } from 'hono'
import type { Rehearsals, TimeOperations } from '../../ports/time.ts'
import { latest } from '../../util/async/latest.ts'
import type { AdminEnv } from '../refuse.ts'
import { drillRoutes } from './drill-routes.ts'
import { driftRoutes } from './drift-routes.ts'
import { rehearsalRoutes } from './rehearsal-routes.ts'
import { runRoutes } from './run-routes.ts'
import { trustRoutes } from './trust-routes.ts'

export interface TimeRoutesOptions {
  readonly time?: TimeOperations
  readonly rehearsals?: Rehearsals
}

/** What the past of tags tells, and rehearsals of an outage: what is there of it. */
export function timeRoutes({ time, rehearsals }: TimeRoutesOptions): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  if (rehearsals) routes.route('/', rehearsalRoutes(rehearsals))
  if (time) {
    routes.route(
      '/',
      drillRoutes((period, upstream) => time.drill(period, upstream)),
    )
    routes.route(
      '/',
      driftRoutes((period) => time.drift(period)),
    )
    routes.route(
      '/',
      runRoutes((name) => time.run(name)),
    )
    routes.route('/', trustRoutes(latest(() => time.trust)))
  }
  return routes
}
