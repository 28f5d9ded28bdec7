import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { isRegistryError } from '../oci/errors.ts'
import type { AuditTrail } from '../ports/insight/audit.ts'
import { SHARED_INDEX } from '../ports/cluster.ts'
import type { Jobs } from '../ports/moving/jobs.ts'
import type { Insight, RunningTransfer } from '../ports/insight/insight.ts'
import type { TagChange, TagHistory } from '../ports/metadata.ts'
import type { Operations } from '../ports/operations.ts'
import type { Rehearsals, TimeOperations } from '../ports/time.ts'
import { audited } from './audited.ts'
import type { ParsePattern } from './body.ts'
import { catalogueRoutes } from './catalogue-routes.ts'
import type { AdminEnv } from './refuse.ts'
import type { Readiness } from './health.ts'
import { limitBodies } from './limit-bodies.ts'
import type { Metrics } from './metrics/metrics.ts'
import { jobRoutes } from './job-routes.ts'
import { insightRoutes } from './insight-routes.ts'
import type { DashboardAsset } from './dashboard/assets.ts'
import { dashboardRoutes } from './dashboard/dashboard-routes.ts'
import type { EventSource } from './events/broadcaster.ts'
import { eventsRoutes } from './events/events-routes.ts'
import { pinRoutes } from './pin-routes.ts'
import { timeRoutes } from './time/time-routes.ts'
import { verifyRoutes } from './verify-routes.ts'

export interface AdminAppOptions {
  readonly metrics: Pick<Metrics, 'render'>
  readonly ready: Readiness
  /** What an operator should know although it is ready. */
  readonly details?: () => readonly string[]
  /** Lists the running downloads, for `/api/v1/transfers`. */
  readonly transfers: () => readonly RunningTransfer[]
  /** For `/api/v1/tags/<upstream>/<repository>/<tag>`. */
  readonly history: TagHistory['history']
  readonly operations: Operations
  readonly insight?: Insight | undefined
  readonly audit: AuditTrail
  readonly jobs: Pick<Jobs, 'list' | 'cancel'>
  /** Further routes below `/api/v1`, which run jobs. */
  readonly jobRoutes?: readonly Hono<AdminEnv>[] | undefined
  readonly events: EventSource
  /** What pages load besides themselves. */
  readonly assets?: readonly DashboardAsset[]
  /** Left out: the API tells nothing of the past. */
  readonly time?: TimeOperations
  /** Left out: no outage is rehearsed. */
  readonly rehearsals?: Rehearsals
  readonly parsePattern: ParsePattern
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Receives every failure that the client did not cause. */
  readonly failed: (error: unknown) => void
}

/** Bytes of a body: the largest is a pattern, unless the path is one of these. */
const BODY_LIMIT = 16 * 1024
const BODY_LIMITS = { '/api/v1/warm': 4 * 1024 * 1024, '/api/v1/import': Infinity } as const

/** The routes of the admin listener: health, metrics and the admin API. */
export function adminApp(options: AdminAppOptions): RequestListener {
  const {
    metrics,
    ready,
    details = () => [],
    transfers,
    history,
    operations,
    insight,
    audit,
    events,
    assets = [],
  } = options
  const { parsePattern, failed } = options
  const app = new Hono<AdminEnv>()
  app.get('/healthz', (c) => c.json({ status: 'ok' }))
  app.get('/readyz', async (c) => {
    const reasons = await ready()
    if (reasons.length > 0) return c.json({ status: 'unavailable', reasons }, 503)
    const known = details()
    return c.json({ status: 'ok', ...(known.length > 0 && { details: known }) })
  })
  app.get('/metrics', async (c) => {
    const { contentType, body } = await metrics.render()
    return c.body(body, 200, { 'Content-Type': contentType })
  })
  app.use('/api/v1/*', limitBodies(BODY_LIMIT, BODY_LIMITS))
  app.use('/api/v1/*', audited(audit))
  app.get('/api/v1/audit', (c) => c.json({ audit: audit.list() }))
  app.route('/api/v1', jobRoutes(options.jobs))
  for (const routes of options.jobRoutes ?? []) app.route('/api/v1', routes)
  app.route('/api/v1', catalogueRoutes(operations.catalogue, parsePattern, options.now))
  app.route('/api/v1', pinRoutes(operations.pins, parsePattern))
  app.route('/api/v1', verifyRoutes(operations.verify, failed))
  app.route('/api/v1', timeRoutes(options))
  if (insight) {
    app.route('/api/v1', insightRoutes(insight))
    app.route('/api/v1', eventsRoutes({ events, transfers }))
    app.route(
      '/',
      dashboardRoutes({ insight, catalogue: operations.catalogue, audit, events, assets, parsePattern }),
    )
  }
  app.get('/api/v1/transfers', (c) => c.json({ transfers: transfers() }))
  app.get('/api/v1/tags/:upstream/:name{.+}/:tag', async (c) => {
    const { upstream, name, tag } = c.req.param()
    const changes = await history({ upstream, name }, tag)
    if (changes.length === 0) return c.json({ error: 'tag unknown' }, 404)
    return c.json({ upstream, repository: name, tag, changes: changes.map(describeChange) })
  })
  app.onError((error, c) => {
    if (error instanceof HTTPException) return c.json({ error: error.message }, error.status)
    if (isRegistryError(error, 'STORAGE') && error.detail['operation'] === SHARED_INDEX) {
      const why = String(error.detail['reason'])
      return c.json(
        {
          error: `the database of the replicas does not answer, nothing was changed on this replica: ${why}`,
        },
        503,
      )
    }
    failed(error)
    return c.json({ error: 'internal error, see the log' }, 500)
  })
  app.notFound((c) => c.json({ error: 'not found' }, 404))
  return getRequestListener(app.fetch, { overrideGlobalObjects: false }) as RequestListener
}

/** `changes` come newest first: the next element holds the previous digest. */
function describeChange({ at, digest }: TagChange, i: number, changes: readonly TagChange[]) {
  return { at: new Date(at).toISOString(), from: changes[i + 1]?.digest ?? null, to: digest }
}
