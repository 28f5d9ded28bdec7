import { Hono } from 'hono'
import type { RunReport } from '../../ports/time.ts'
import { type AdminEnv, refuse } from '../refuse.ts'

/** `GET runs/<name>`: what a run has resolved. `report` returns undefined when there is no such run. */
export function runRoutes(report: (run: string) => Promise<RunReport | undefined>): Hono<AdminEnv> {
  return new Hono<AdminEnv>().get('/runs/:name', async (c) => {
    const name = c.req.param('name')
    return c.json((await report(name)) ?? refuse(404, `no run ${name.slice(0, 300)} is known`))
  })
}
