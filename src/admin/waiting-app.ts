import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'

/** What the admin listener answers before there is a store: the process is alive, and waits for something. */
export function waitingApp(reason: string): RequestListener {
  const app = new Hono()
  app.get('/healthz', (c) => c.json({ status: 'ok', details: [reason] }))
  app.get('/readyz', (c) => c.json({ status: 'unavailable', reasons: [reason] }, 503))
  app.all('*', (c) => c.json({ error: reason }, 503, { 'Retry-After': '1' }))
  return getRequestListener(app.fetch, { overrideGlobalObjects: false }) as RequestListener
}
