import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import type { TagChange, TagHistory } from '../oci/indexes.ts'
import type { Readiness } from './health.ts'
import type { Metrics } from './metrics.ts'

export interface AdminAppOptions {
  readonly metrics: Pick<Metrics, 'render'>
  readonly ready: Readiness
  /** What is being downloaded, for `/api/v1/transfers`. */
  readonly transfers: () => readonly object[]
  /** For `/api/v1/tags/<upstream>/<repository>/<tag>`. */
  readonly history: TagHistory['history']
}

/** Health, metrics and the admin API, for the listener that clients do not see. */
export function adminApp({ metrics, ready, transfers, history }: AdminAppOptions): RequestListener {
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
  app.get('/api/v1/tags/:upstream/:name{.+}/:tag', async (c) => {
    const { upstream, name, tag } = c.req.param()
    const changes = await history({ upstream, name }, tag)
    if (changes.length === 0) return c.json({ error: 'nothing is known of this tag' }, 404)
    return c.json({ upstream, repository: name, tag, changes: changes.map(describeChange) })
  })
  app.notFound((c) => c.json({ error: 'there is nothing here' }, 404))
  return getRequestListener(app.fetch, { overrideGlobalObjects: false }) as RequestListener
}

/** `changes` come newest first: what was before one is the next one. */
function describeChange({ at, digest }: TagChange, i: number, changes: readonly TagChange[]) {
  return { at: new Date(at).toISOString(), from: changes[i + 1]?.digest ?? null, to: digest }
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
