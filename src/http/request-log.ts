import { isRegistryError } from '../oci/errors.ts'
import type { Exchange } from './exchange.ts'

/** The part of pino that this room uses. */
export interface Logger {
  info(fields: object, message: string): void
  error(fields: object, message: string): void
}

/**
 * Logs one line per exchange when it has ended. `status` is 499 when the client left before the answer began.
 */
export function accessLog(logger: Logger): (exchange: Exchange) => void {
  return function log(exchange) {
    const { incoming, outgoing, upstream, repository, reference, cacheStatus, failure } = exchange
    const identity = exchange.principal?.identity
    logger.info(
      {
        method: incoming.method,
        ...(identity !== undefined && { identity }),
        ...(repository === undefined
          ? { path: exchange.path.slice(0, 300) }
          : { upstream, repository, reference }),
        status: outgoing.headersSent ? outgoing.statusCode : 499,
        bytes: exchange.bytesSent,
        ms: Math.round((performance.now() - exchange.startedAt) * 10) / 10,
        cache: cacheStatus?.result,
        ...(exchange.isAborted && { aborted: true }),
        ...(isRegistryError(failure) && { error: failure.code, detail: failure.detail }),
      },
      'request',
    )
  }
}
