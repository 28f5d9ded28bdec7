import type { TrafficReport } from '../ports/insight/insight.ts'
import type { RequestTelemetry, UpstreamTelemetry } from '../ports/telemetry.ts'

/** What clients asked for and what that cost upstream, since the process began. */
export interface Traffic {
  readonly requests: RequestTelemetry
  readonly upstreams: Pick<UpstreamTelemetry, 'answered' | 'received'>
  readonly report: TrafficReport
}

export function traffic(): Traffic {
  const counts = { requests: 0, hits: 0, errors: 0, servedBytes: 0, upstreamRequests: 0, upstreamBytes: 0 }
  return {
    requests: {
      answered({ result, bytes }) {
        counts.requests += 1
        counts.servedBytes += bytes
        if (result === 'error') counts.errors += 1
        else if (result !== 'miss') counts.hits += 1
      },
    },
    upstreams: {
      answered: () => void (counts.upstreamRequests += 1),
      received: (_, bytes) => void (counts.upstreamBytes += bytes),
    },
    get report() {
      return { ...counts }
    },
  }
}
