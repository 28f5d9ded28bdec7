import type { CacheStatus } from '../ports/read-options.ts'
import type { RequestTelemetry } from '../ports/telemetry.ts'
import type { Exchange } from './exchange.ts'

/** Reports a request that took `ms` to `telemetry`, unless it addressed no upstream. */
export function recordRequest(telemetry: RequestTelemetry, exchange: Exchange, ms: number): void {
  const { kind, upstream, repository, cacheStatus, failure, outgoing, bytesSent } = exchange
  if (kind === undefined || upstream === undefined || repository === undefined) return
  const isError =
    failure !== undefined && (outgoing.statusCode >= 500 || outgoing.statusCode === 429 || exchange.isAborted)
  telemetry.answered({
    kind,
    upstream,
    repository,
    client: exchange.client,
    isHead: exchange.isHead,
    result: isError ? 'error' : resultOf(cacheStatus),
    seconds: ms / 1000,
    bytes: bytesSent,
  })
}

/** A revalidated tag counts as a miss, for it cost an upstream request. */
function resultOf(status: CacheStatus | undefined): Exclude<CacheStatus['result'], 'revalidated'> {
  return status === undefined || status.result === 'revalidated' ? 'miss' : status.result
}
