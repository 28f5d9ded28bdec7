import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { UpstreamTelemetry } from '../../ports/telemetry.ts'

/**
 * Seconds from a request to the headers of its response: from the next machine to a registry that is about to
 * time out.
 */
const SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120]

/** The states of a circuit as values of a gauge. */
const CIRCUIT = { up: 0, out: 1, limited: 2, offline: 3 } as const

/** Counts what the upstream clients report, under the names of the Prometheus conventions. */
export function upstreamMetrics(register: Registry): UpstreamTelemetry {
  const registers = [register]
  const requests = new Counter({
    name: 'entrepot_upstream_requests_total',
    help: 'Requests to upstreams and their token services. Status "none": there was no response.',
    labelNames: ['upstream', 'kind', 'status'],
    registers,
  })
  const seconds = new Histogram({
    name: 'entrepot_upstream_seconds',
    help: 'Time from a request to the headers of its response, or to its failure.',
    labelNames: ['upstream', 'kind'],
    buckets: SECONDS,
    registers,
  })
  const bytes = new Counter({
    name: 'entrepot_upstream_bytes_total',
    help: 'Bytes of content received from upstreams.',
    labelNames: ['upstream'],
    registers,
  })
  const denied = new Counter({
    name: 'entrepot_upstream_denied_total',
    help: 'Requests that upstreams denied (401 or 403), also with a new token.',
    labelNames: ['upstream'],
    registers,
  })
  const up = new Gauge({
    name: 'entrepot_upstream_up',
    help: '1 while an upstream gets requests, 0 while it is out or limits us.',
    labelNames: ['upstream'],
    registers,
  })
  const circuit = new Gauge({
    name: 'entrepot_upstream_circuit',
    help: '0: closed, the upstream gets requests. 1: open, it is out. 2: open, it limits us.',
    labelNames: ['upstream'],
    registers,
  })
  const refused = new Gauge({
    name: 'entrepot_upstream_credentials_refused',
    help: '1 while an upstream refuses the configured credentials. Unset until it was shown them.',
    labelNames: ['upstream'],
    registers,
  })
  const rateLimit = new Gauge({
    name: 'entrepot_upstream_ratelimit_remaining',
    help: 'Requests an upstream said it will still answer.',
    labelNames: ['upstream'],
    registers,
  })
  const rateLimitOf = new Gauge({
    name: 'entrepot_upstream_ratelimit_limit',
    help: 'Of how many requests, where an upstream says so.',
    labelNames: ['upstream'],
    registers,
  })

  return {
    answered(upstream, kind, status, took) {
      requests.inc({ upstream, kind, status: status ?? 'none' })
      seconds.observe({ upstream, kind }, took)
    },
    denied: (upstream) => denied.inc({ upstream }),
    received: (upstream, count) => bytes.inc({ upstream }, count),
    rateLimit(upstream, remaining, { limit }) {
      rateLimit.set({ upstream }, remaining)
      if (limit !== undefined) rateLimitOf.set({ upstream }, limit)
    },
    credentials: (upstream, result) => refused.set({ upstream }, result === 'refused' ? 1 : 0),
    circuit(upstream, state) {
      denied.inc({ upstream }, 0)
      up.set({ upstream }, state === 'up' ? 1 : 0)
      circuit.set({ upstream }, CIRCUIT[state])
    },
  }
}
