/**
 * Stands between `node:http` and `app.fetch` on the registry listener, in place of the listener of
 * `@hono/node-server`, which serves the admin routes.
 *
 * CPU for one warm answer through this file and through `getRequestListener` with RESPONSE_ALREADY_SENT, in
 * alternating rounds on a busy 2-core machine (November 2026): tag 20.9 and 22.0 µs, small blob 20.2 and 21.6
 * µs, manifest 18.5 and 21.1 µs (15 rounds; 9 rounds on another load said 19.7 and 18.4). Without a router it
 * was 19.4, 19.3 and 19.3 µs. These figures carry noise of about 5 % and are to be taken again on a quiet
 * machine. The other listener also makes a web Request with a URL, and answers some malformed targets itself,
 * without the error body of the distribution spec.
 */
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
