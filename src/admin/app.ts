import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import type { Readiness } from './health.ts'
import type { Metrics } from './metrics.ts'

export interface AdminAppOptions {
  readonly metrics: Pick<Metrics, 'render'>
  readonly ready: Readiness
  /** What is being downloaded, for `/api/v1/transfers`. */
  readonly transfers: () => readonly object[]
}

/** Health, metrics and the admin API, for the listener that clients do not see. */
export function adminApp({ metrics, ready, transfers }: AdminAppOptions): RequestListener {
  const app = new Hono()
  app.get('/', (c) => c.html(INDEX))
  app.get('/healthz', (c) => c.json({ status: 'ok' }))
  app.get('/readyz', async (c) => {
    const reasons = await ready()
    return reasons.length === 0 ? c.json({ status: 'ok' }) : c.json({ status: 'unavailable', reasons }, 503)
  })
  app.get('/metrics', async (c) => {
    const { contentType, body } = await metrics.render()
    return c.body(body, 200, { 'Content-Type': contentType })
  })
  app.get('/api/v1/transfers', (c) => c.json({ transfers: transfers() }))
  app.notFound((c) => c.json({ error: 'there is nothing here' }, 404))
  return getRequestListener(app.fetch, { overrideGlobalObjects: false }) as RequestListener
}

const INDEX = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Entrepot</title>
<h1>Entrepot</h1>
<ul>
<li><a href="healthz">/healthz</a> the process is there
<li><a href="readyz">/readyz</a> it can do its work
<li><a href="metrics">/metrics</a> for Prometheus
<li><a href="api/v1/transfers">/api/v1/transfers</a> what is being downloaded
</ul>
</html>
`
