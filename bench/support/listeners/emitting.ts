/**
 * Serves the events of the admin API on the port EVENTS_PORT, emits as many as it is told to (`/emit?count=10000&seconds=10`), and
 * answers what CPU the main thread used meanwhile, in seconds. Loaded into the process of the proxy.
 */
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { eventsRoutes } from '../../../src/admin/events/events-routes.ts'
import type { AdminEnv } from '../../../src/admin/refuse.ts'
import { eventHub } from '../../../src/observe/events.ts'

const TURN = 10
const hub = eventHub(Date.now)

async function emit(count: number, seconds: number): Promise<void> {
  const turns = (seconds * 1000) / TURN
  for (let turn = 0, sent = 0; turn < turns; turn++) {
    for (; sent < (count * (turn + 1)) / turns; sent++) {
      hub.emit('tag.moved', {
        image: `docker.io/library/app${sent}:latest`,
        from: `sha256:${'a'.repeat(64)}`,
        to: `sha256:${'b'.repeat(64)}`,
      })
    }
    await sleep(TURN)
  }
}

const app = new Hono<AdminEnv>()
  .route('/', eventsRoutes({ events: hub, transfers: () => [] }))
  .get('/emit', async (c) => {
    const before = process.threadCpuUsage()
    await emit(Number(c.req.query('count')), Number(c.req.query('seconds')))
    const { user, system } = process.threadCpuUsage(before)
    return c.json({ cpu: (user + system) / 1e6 })
  })
// The listener ends with the process.
createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false })).listen(
  Number(process.env['EVENTS_PORT']),
  '127.0.0.1',
  () => process.stdout.write('{"msg":"emitting"}\n'),
)
