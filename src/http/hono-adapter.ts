import type { Hono } from 'hono'
import type { Exchange } from './exchange.ts'
import type { RegistryEnv } from './route-handlers.ts'

/**
 * Hands an exchange to a Hono application whose handlers answer on Node's own response. The promise settles
 * when a handler that answers later has answered.
 *
 * @throws what a handler throws that is no Error, at once or later
 */
export function dispatch(app: Hono<RegistryEnv>, exchange: Exchange): Promise<unknown> | undefined {
  const { method } = exchange.incoming
  const request = method === 'GET' || method === 'HEAD' ? READ : ({ method } as Request)
  const answered = app.fetch(request, exchange)
  return answered instanceof Promise ? answered : undefined
}

/**
 * All that Hono reads of a request: `getPath` takes the path from the exchange. Hono routes HEAD as this GET.
 */
const READ = { method: 'GET' } as Request
