import type { Registry } from '../ports/repository.ts'
import type { Tracer } from '../ports/tracing.ts'
import type { Upstream } from '../ports/upstream.ts'
import { openTelemetry, type OpenTelemetryOptions } from './open-telemetry.ts'
import { tracedDownload } from './traced-download.ts'
import { tracedRegistry } from './traced-registry.ts'
import { type TracedRequests, tracedRequests } from './traced-requests.ts'
import { tracedUpstream } from './traced-upstream.ts'

/** What wraps the parts while tracing is on. */
export interface Tracing extends AsyncDisposable {
  readonly tracer: Tracer
  readonly requests: TracedRequests
  registry(registry: Registry): Registry
  upstream(upstream: Upstream): Upstream
  readonly download: ReturnType<typeof tracedDownload>
}

/** Disposing it exports what was not exported yet. */
export function openTracing(options: OpenTelemetryOptions): Tracing {
  const tracer = openTelemetry(options)
  return {
    tracer,
    requests: tracedRequests(tracer),
    registry: (registry) => tracedRegistry(registry, tracer),
    upstream: (upstream) => tracedUpstream(upstream, tracer),
    download: tracedDownload(tracer),
    [Symbol.asyncDispose]: () => tracer[Symbol.asyncDispose](),
  }
}
