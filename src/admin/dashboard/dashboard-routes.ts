import { Hono } from 'hono'
import { html } from 'hono/html'
import { IMAGE_PATTERN_MUST } from '../../oci/image-pattern.ts'
import type { AuditTrail } from '../../ports/insight/audit.ts'
import type { Insight } from '../../ports/insight/insight.ts'
import type { ImageCatalogue } from '../../ports/operations.ts'
import type { SavingsBy } from '../../ports/insight/savings.ts'
import type { ParsePattern } from '../body.ts'
import type { EventSource } from '../events/broadcaster.ts'
import { isImageOrder } from '../../ports/image-order.ts'
import type { AdminEnv } from '../refuse.ts'
import { assetRoutes, type DashboardAsset } from './assets.ts'
import { imagePage } from './image.ts'
import { imagesPage } from './images.ts'
import { auditPage, savingsPage } from './lists.ts'
import { overview } from './overview.ts'
import { sendPage, TYPES } from './page.ts'
import { transfersPage } from './transfers.ts'

export interface DashboardOptions {
  readonly insight: Insight
  readonly catalogue: Pick<ImageCatalogue, 'images'>
  readonly audit: Pick<AuditTrail, 'list'>
  readonly events: EventSource
  readonly assets: readonly DashboardAsset[]
  readonly parsePattern: ParsePattern
}

const DAYS = 30
const BY = new Set<string>(['upstream', 'repository', 'client', 'day'])

/** Pages for people. They read without a script; writing goes through the admin API. */
export function dashboardRoutes(options: DashboardOptions): Hono<AdminEnv> {
  const { insight, catalogue, audit, events, parsePattern } = options
  return new Hono<AdminEnv>()
    .route('/', assetRoutes(options.assets))
    .get('/', async (c) => {
      const [status, saved] = await Promise.all([insight.status(), insight.savings('upstream', DAYS)])
      const happened = events.since(0).filter(({ type }) => TYPES.includes(type))
      const content = overview(status, saved.total, insight.traffic, happened.slice(-20), Date.now())
      return sendPage(c, { title: 'Overview', path: '.', content, hasCharts: true })
    })
    .get('/images', async (c) => {
      const { pattern = '', sort: asked = 'use' } = c.req.query()
      const sort = isImageOrder(asked) ? asked : 'use'
      const parsed = parsePattern(pattern.trim() === '' ? '**' : pattern.trim())
      const images = parsed === undefined ? [] : await catalogue.images(parsed)
      const problem = parsed === undefined ? `The pattern ${IMAGE_PATTERN_MUST}.` : undefined
      const content = imagesPage({ pattern, problem, images, sort }, Date.now())
      return sendPage(c, { title: 'Images', path: 'images', content })
    })
    .get('/image', async (c) => {
      const image = c.req.query('image') ?? ''
      const why = await insight.why(image)
      if (why !== undefined)
        return sendPage(c, { title: why.image, path: 'image', content: imagePage(why, Date.now()) })
      c.status(404)
      return sendPage(c, {
        title: 'Not an image',
        path: 'image',
        content: html`<p>${image} is no image.</p>`,
      })
    })
    .get('/transfers', async (c) => {
      const { transfers } = await insight.status()
      return sendPage(c, { title: 'Downloads', path: 'transfers', content: transfersPage(transfers) })
    })
    .get('/savings', async (c) => {
      const { by = 'upstream' } = c.req.query()
      const report = await insight.savings(BY.has(by) ? (by as SavingsBy) : 'upstream', DAYS)
      return sendPage(c, { title: 'Savings', path: 'savings', content: savingsPage(report) })
    })
    .get('/audit', (c) => sendPage(c, { title: 'Audit', path: 'audit', content: auditPage(audit.list()) }))
}
