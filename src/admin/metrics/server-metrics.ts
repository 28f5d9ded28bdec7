import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { ListenerTelemetry, LoginTelemetry, ResponseTelemetry } from '../../ports/telemetry.ts'
import { watchEventLoopDelay } from './event-loop-delay.ts'

export interface ServerMetrics extends ResponseTelemetry, LoginTelemetry, ListenerTelemetry {}

export interface ServerMetricsOptions {
  readonly version: string
  /** How many connections of clients are open. Called at each scrape. */
  readonly connections: () => Promise<number>
}

/** Seconds. A tenth of a second is what people notice. */
const LOOP_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]

/** The metrics of the process and of its listeners. */
export function serverMetrics(
  register: Registry,
  { version, connections }: ServerMetricsOptions,
): ServerMetrics {
  const registers = [register]
  new Gauge({
    name: 'entrepot_build_info',
    help: 'Always 1. Its label is the version of this program.',
    labelNames: ['version'],
    registers,
  }).set({ version }, 1)
  const open = new Gauge({
    name: 'entrepot_connections',
    help: 'Open connections of clients of the registry.',
    registers: [],
    async collect() {
      this.set(await connections())
    },
  })
  const loop = new Histogram({
    name: 'entrepot_event_loop_seconds',
    help: 'How late the event loop was, measured ten times a second.',
    buckets: LOOP_SECONDS,
    registers,
  })
  watchEventLoopDelay((seconds) => loop.observe(seconds))

  const answers = new Map<number, number>()
  const responses = new Counter({
    name: 'entrepot_responses_total',
    help: 'Answers of the registry by status code. 499: the client left first.',
    labelNames: ['code'],
    registers: [],
    // A map costs a request less than a labelled counter.
    collect() {
      this.reset()
      for (const [code, count] of answers) this.inc({ code }, count)
    },
  })
  const logins = new Counter({
    name: 'entrepot_logins_total',
    help: 'Requests with a login, by its outcome.',
    labelNames: ['result'],
    registers,
  })

  const certificates = new Map<string, number>()
  const expiry = new Gauge({
    name: 'entrepot_certificate_expiry_seconds',
    help: 'Seconds until the certificate of a listener expires. Negative when it has.',
    labelNames: ['listener'],
    registers: [],
    collect() {
      for (const [listener, validTo] of certificates) {
        this.set({ listener }, Math.round((validTo - Date.now()) / 1000))
      }
    },
  })

  for (const metric of [open, responses, expiry]) register.registerMetric<string>(metric)

  return {
    responded: (status) => void answers.set(status, (answers.get(status) ?? 0) + 1),
    login: (result) => logins.inc({ result }),
    certificate: (listener, validTo) => void certificates.set(listener, validTo),
  }
}
