import type { IncomingMessage } from 'node:http'
import type { MiddlewareHandler } from 'hono'
import type { AuditEntry, AuditTrail } from '../ports/insight/audit.ts'
import type { AdminEnv } from './refuse.ts'

const ACTIONS: Readonly<Record<string, AuditEntry['action']>> = {
  'POST purge': 'purge',
  'PUT pins': 'pin',
  'DELETE pins': 'unpin',
  'POST verify': 'verify',
  'POST push': 'push',
  'POST import': 'import',
  'GET export': 'export',
  'POST mirror': 'mirror',
  'POST warm': 'warm',
  'POST refresh': 'refresh',
  'POST trust': 'trust',
  'DELETE trust': 'distrust',
  'POST upstreams/offline': 'offline',
  'DELETE upstreams/offline': 'online',
}

/** Records every request that changes something, with how it ended. */
export function audited(audit: Pick<AuditTrail, 'record'>): MiddlewareHandler<AdminEnv> {
  return async (c, next) => {
    await next()
    const { method } = c.req
    const path = c.req.path.replace(/^\/api\/v1\//, '')
    const isRead = (method === 'GET' && path !== 'export') || method === 'HEAD'
    if (isRead || c.get('changesNothing') === true) return
    audit.record({
      action: ACTIONS[`${method} ${path.replace(/^upstreams\/[^/]+/, 'upstreams')}`] ?? 'other',
      ...clientOf(c.env.incoming),
      target: c.get('target') ?? path,
      result: c.res.status < 300 ? (c.get('outcome') ?? 'done') : `answered ${c.res.status}`,
    })
  }
}

/** Who sent a request to the admin listener, which has checked the token if there is one. */
export function clientOf({ headers, socket }: IncomingMessage): Pick<AuditEntry, 'by' | 'from'> {
  const forwarded = headers['x-forwarded-for']
  const address = socket.remoteAddress ?? ''
  return {
    by: headers.authorization === undefined ? 'this machine' : 'admin.token',
    from: forwarded === undefined ? address : `${address} (for ${forwarded.toString()})`,
  }
}
