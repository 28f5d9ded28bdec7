import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import type {
  ClusterTelemetry,
  DownloadTelemetry,
  RemoteTelemetry,
  RequestTelemetry,
  StoreTelemetry,
  UpstreamTelemetry,
} from '../../ports/telemetry.ts'
import { type ServerMetrics, serverMetrics, type ServerMetricsOptions } from './server-metrics.ts'
import { clusterMetrics } from './cluster-metrics.ts'
import { remoteMetrics } from './remote-metrics.ts'
import { storeMetrics, type StoreMetricsOptions } from './store-metrics.ts'
import { Tally } from './tally.ts'
import { TallyHistogram } from './tally-histogram.ts'
import type { WebhookTelemetry } from '../../ports/insight/events.ts'
import { upstreamMetrics } from './upstream-metrics.ts'
import type { TracingTelemetry } from '../../ports/tracing.ts'
import { tracingMetrics } from './tracing-metrics.ts'
import { webhookMetrics } from './webhook-metrics.ts'

export interface Metrics {
  readonly requests: RequestTelemetry
  readonly server: ServerMetrics
  readonly upstreams: UpstreamTelemetry
  readonly transfers: DownloadTelemetry
  readonly store: StoreTelemetry
  readonly webhooks: WebhookTelemetry
  readonly remote: RemoteTelemetry
  readonly tracing: TracingTelemetry
  readonly cluster: ClusterTelemetry
  /** The text exposition format, and the media type that names its version. */
  render(): Promise<{ readonly contentType: string; readonly body: string }>
}

/** Its functions are called at each scrape. */
export interface MetricsOptions extends StoreMetricsOptions, ServerMetricsOptions {}

/** Seconds, from a hit in memory to a cold blob of several gigabytes. */
const REQUEST_SECONDS = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600]

/** Collects the telemetry of all parts as Prometheus metrics. A repository is never a label. */
export function metrics(options: MetricsOptions): Metrics {
  const register = new Registry()
  const registers = [register]
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: 100 })

  const requests = new Tally({
    name: 'entrepot_requests_total',
    help: 'Requests from clients.',
    labelNames: ['upstream', 'kind', 'result'],
    registers,
  })
  const requestSeconds = new TallyHistogram({
    name: 'entrepot_request_seconds',
    help: 'Seconds until the last byte of the response.',
    labelNames: ['kind', 'result'],
    buckets: REQUEST_SECONDS,
    registers,
  })
  const served = new Tally({
    name: 'entrepot_served_bytes_total',
    help: 'Content bytes sent to clients.',
    labelNames: ['upstream'],
    registers,
  })
  const transfers = new Gauge({
    name: 'entrepot_transfers',
    help: 'Running downloads.',
    labelNames: ['upstream'],
    registers,
  })
  const queue = new Gauge({
    name: 'entrepot_queue',
    help: 'Downloads that wait for a place at an upstream.',
    labelNames: ['upstream'],
    registers,
  })
  const resumes = new Counter({
    name: 'entrepot_transfer_resumes_total',
    help: 'Downloads resumed after an interruption.',
    labelNames: ['upstream'],
    registers,
  })
  const store = storeMetrics(register, options)

  return {
    requests: {
      answered({ kind, result, upstream, seconds, bytes }) {
        requests.add(1, upstream, kind, result)
        requestSeconds.observe(seconds, kind, result)
        served.add(bytes, upstream)
      },
    },
    server: serverMetrics(register, options),
    upstreams: upstreamMetrics(register),
    transfers: {
      running(upstream, count) {
        transfers.set({ upstream }, count)
        // Without a series, a query of the queue finds nothing until somebody waits.
        queue.inc({ upstream }, 0)
      },
      waiting: (upstream, count) => queue.set({ upstream }, count),
      resumed: (upstream) => resumes.inc({ upstream }),
    },
    store,
    webhooks: webhookMetrics(register),
    remote: remoteMetrics(register),
    tracing: tracingMetrics(register),
    cluster: clusterMetrics(register),
    async render() {
      await store.measure()
      return { contentType: register.contentType, body: await register.metrics() }
    },
  }
}
