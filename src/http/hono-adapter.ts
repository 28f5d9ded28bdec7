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
import type { Exchange } from './exchange.ts'
import type { RegistryRoutes } from './routes.ts'

/**
 * Hands an exchange to a Hono application whose handlers answer on Node's own response, or where its path was
 * asked for before, to what that has found. The promise settles when a handler that answers later has
 * answered.
 *
 * @throws what a handler throws, at once or later
 */
export function dispatch({ app, recall }: RegistryRoutes, exchange: Exchange): Promise<unknown> | undefined {
  const { method } = exchange.incoming
  const isRead = method === 'GET' || method === 'HEAD'
  const known = isRead ? recall(exchange.path) : undefined
  if (known !== undefined) return known(exchange)
  const answered = app.fetch(isRead ? READ : ({ method } as Request), exchange)
  return answered instanceof Promise ? answered : undefined
}

/**
 * All that Hono reads of a request: `getPath` takes the path from the exchange. Hono routes HEAD as this GET.
 */
const READ = { method: 'GET' } as Request
