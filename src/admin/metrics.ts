import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { StoreUsage } from '../ports/metadata.ts'
import type {
  RequestTelemetry,
  StoreTelemetry,
  DownloadTelemetry,
  UpstreamTelemetry,
} from '../ports/telemetry.ts'
import { upstreamMetrics } from './upstream-metrics.ts'

export interface Metrics {
  readonly requests: RequestTelemetry
  readonly upstreams: UpstreamTelemetry
  readonly transfers: DownloadTelemetry
  readonly store: StoreTelemetry
  /** The text exposition format, and the media type that names its version. */
  render(): Promise<{ readonly contentType: string; readonly body: string }>
}

/** Seconds, from a hit in memory to a cold blob of several gigabytes. */
const REQUEST_SECONDS = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600]

/**
 * Collects the telemetry of all parts as Prometheus metrics. A repository is never a label.
 *
 * @param usage called at each scrape. When it fails, the store's gauges are NaN and all others are shown.
 */
export function metrics(usage: () => Promise<StoreUsage>): Metrics {
  const register = new Registry()
  const registers = [register]
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: 100 })

  const requests = new Counter({
    name: 'entrepot_requests_total',
    help: 'Requests from clients.',
    labelNames: ['upstream', 'kind', 'result'],
    registers,
  })
  const requestSeconds = new Histogram({
    name: 'entrepot_request_seconds',
    help: 'Seconds until the last byte of the response.',
    labelNames: ['kind', 'result'],
    buckets: REQUEST_SECONDS,
    registers,
  })
  const served = new Counter({
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
  const resumes = new Counter({
    name: 'entrepot_transfer_resumes_total',
    help: 'Downloads resumed after an interruption.',
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
    help: 'Failed operations of the store.',
    labelNames: ['operation'],
    registers,
  })
  const storeBytes = new Gauge({
    name: 'entrepot_store_bytes',
    help: 'Bytes of committed content.',
    registers,
  })
  const storeObjects = new Gauge({
    name: 'entrepot_store_objects',
    help: 'Committed objects.',
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
    upstreams: upstreamMetrics(register),
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
        // An old value, or none, would look like a healthy store.
        storeErrors.inc({ operation: 'usage' })
        storeBytes.set(Number.NaN)
        storeObjects.set(Number.NaN)
      }
      return { contentType: register.contentType, body: await register.metrics() }
    },
  }
}
