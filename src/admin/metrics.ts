import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { StoreUsage } from '../ports/metadata.ts'
import type {
  RequestTelemetry,
  StoreTelemetry,
  TransferTelemetry,
  UpstreamTelemetry,
} from '../ports/telemetry.ts'

export interface Metrics {
  readonly requests: RequestTelemetry
  readonly upstreams: UpstreamTelemetry
  readonly transfers: TransferTelemetry
  readonly store: StoreTelemetry
  /** The text exposition format, and the media type that names its version. */
  render(): Promise<{ readonly contentType: string; readonly body: string }>
}

// From a hit in memory to a cold blob of some gigabytes. Seconds.
const REQUEST_SECONDS = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600]

/**
 * What the parts tell, counted under the names of the Prometheus conventions. A repository is never a label.
 *
 * @param usage asked whenever somebody scrapes. Its failure leaves the store's gauges out; the rest is shown.
 */
export function metrics(usage: () => Promise<StoreUsage>): Metrics {
  const register = new Registry()
  const registers = [register]
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: 100 })

  const requests = new Counter({
    name: 'entrepot_requests_total',
    help: 'Requests of clients.',
    labelNames: ['upstream', 'kind', 'result'],
    registers,
  })
  const requestSeconds = new Histogram({
    name: 'entrepot_request_seconds',
    help: 'Time to the last byte of an answer.',
    labelNames: ['kind', 'result'],
    buckets: REQUEST_SECONDS,
    registers,
  })
  const served = new Counter({
    name: 'entrepot_served_bytes_total',
    help: 'Bytes of content sent to clients.',
    labelNames: ['upstream'],
    registers,
  })
  const upstreamRequests = new Counter({
    name: 'entrepot_upstream_requests_total',
    help: 'Requests to upstreams and their token services. Status "none": there was no answer.',
    labelNames: ['upstream', 'kind', 'status'],
    registers,
  })
  const upstreamBytes = new Counter({
    name: 'entrepot_upstream_bytes_total',
    help: 'Bytes of content received from upstreams.',
    labelNames: ['upstream'],
    registers,
  })
  const upstreamUp = new Gauge({
    name: 'entrepot_upstream_up',
    help: '1 while an upstream is asked, 0 while it is left alone because it is out of order.',
    labelNames: ['upstream'],
    registers,
  })
  const rateLimit = new Gauge({
    name: 'entrepot_upstream_ratelimit_remaining',
    help: 'Requests an upstream said it will still answer.',
    labelNames: ['upstream'],
    registers,
  })
  const transfers = new Gauge({
    name: 'entrepot_transfers',
    help: 'Downloads that are running.',
    labelNames: ['upstream'],
    registers,
  })
  const resumes = new Counter({
    name: 'entrepot_transfer_resumes_total',
    help: 'Downloads that went on after an interruption.',
    labelNames: ['upstream'],
    registers,
  })
  const evictions = new Counter({
    name: 'entrepot_evictions_total',
    help: 'Objects removed from the store.',
    labelNames: ['reason'],
    registers,
  })
  const storeErrors = new Counter({
    name: 'entrepot_store_errors_total',
    help: 'Operations of the store that failed.',
    labelNames: ['operation'],
    registers,
  })
  const storeBytes = new Gauge({
    name: 'entrepot_store_bytes',
    help: 'Size of the committed content.',
    registers,
  })
  const storeObjects = new Gauge({
    name: 'entrepot_store_objects',
    help: 'Number of committed objects.',
    registers,
  })

  return {
    requests: {
      answered({ kind, result, upstream, seconds, bytes }) {
        requests.inc({ upstream, kind, result })
        requestSeconds.observe({ kind, result }, seconds)
        served.inc({ upstream }, bytes)
      },
    },
    upstreams: {
      answered: (upstream, kind, status) =>
        upstreamRequests.inc({ upstream, kind, status: status ?? 'none' }),
      received: (upstream, bytes) => upstreamBytes.inc({ upstream }, bytes),
      rateLimit: (upstream, remaining) => rateLimit.set({ upstream }, remaining),
      available: (upstream, up) => upstreamUp.set({ upstream }, up ? 1 : 0),
    },
    transfers: {
      running: (upstream, count) => transfers.set({ upstream }, count),
      resumed: (upstream) => resumes.inc({ upstream }),
    },
    store: {
      evicted: (reason) => evictions.inc({ reason }),
      failed: (operation) => storeErrors.inc({ operation }),
    },
    async render() {
      try {
        const { bytes, objects } = await usage()
        storeBytes.set(bytes)
        storeObjects.set(objects)
      } catch {
        // An absent or old value would look like a healthy store.
        storeErrors.inc({ operation: 'usage' })
        storeBytes.set(Number.NaN)
        storeObjects.set(Number.NaN)
      }
      return { contentType: register.contentType, body: await register.metrics() }
    },
  }
}
