import type { Logger } from 'pino'
import { type Metrics, metrics, type MetricsOptions } from '../admin/metrics/metrics.ts'
import type { Config } from '../config/load-config.ts'
import { type Answers, answers } from '../observe/answers.ts'
import { auditTrail } from '../observe/audit-trail.ts'
import { eventLines } from '../observe/event-lines.ts'
import { type EvictionWatch, type EvictionWatchOptions, evictionWatch } from '../observe/eviction-watch.ts'
import { type EventHub, eventHub } from '../observe/events.ts'
import { type ImageWatch, imageWatch, type ImageWatchOptions } from '../observe/image-watch.ts'
import { pullAdvice } from '../observe/pull-advice.ts'
import { recordedUpstream } from '../observe/recorded-upstream.ts'
import { recurring } from '../observe/recurring.ts'
import { jobs } from '../observe/jobs.ts'
import { type Savings, savings } from '../observe/savings.ts'
import { type StoreWatch, storeWatch } from '../observe/store-watch.ts'
import { type Traffic, traffic } from '../observe/traffic.ts'
import { trafficHistory, type TrafficRecorder } from '../observe/traffic-history.ts'
import { type UpstreamWatch, upstreamWatch, type WatchedUpstream } from '../observe/upstream-watch.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { Advise } from '../ports/advise.ts'
import type { AuditTrail } from '../ports/insight/audit.ts'
import type { Jobs } from '../ports/moving/jobs.ts'
import type { SavingsLog } from '../ports/insight/savings.ts'
import type { ImageTelemetry, IngestTelemetry, LoginTelemetry } from '../ports/telemetry.ts'
import type { Upstream } from '../ports/upstream.ts'
import { endpointName } from '../util/endpoint-name.ts'
import { hasOwnLogin } from './upstreams/logins-of.ts'
import { type UpstreamCost, upstreamCost } from './upstreams/upstream-cost.ts'
import { combined } from '../util/combined.ts'
import { version } from '../util/version.ts'

/** Everything that watches the other parts, and what they report to. */
export interface Observation {
  readonly telemetry: Omit<Metrics, 'render'> & {
    readonly ingest: IngestTelemetry
    readonly images: ImageTelemetry
  }
  readonly metrics: Pick<Metrics, 'render'>
  readonly events: EventHub
  readonly upstreams: UpstreamWatch
  readonly store: StoreWatch
  readonly images: ImageWatch
  readonly evictions: EvictionWatch
  readonly cost: UpstreamCost
  readonly answers: Answers
  readonly audit: AuditTrail
  /** Disposing cancels them. */
  readonly jobs: Jobs & AsyncDisposable
  readonly savings: Savings
  readonly traffic: Traffic
  readonly trafficHistory: TrafficRecorder
  /** When the process began, in epoch milliseconds. */
  readonly startedAt: number
  readonly advise: Advise
  /** `upstream`, whose answers are recorded. */
  record(upstream: Upstream): Upstream
  /** Records that the configuration was reloaded. `needRestart`: keys that hold after the next start. */
  reloaded(needRestart: readonly string[]): void
  /** Logs the failure of a download. */
  transferFailed(transfer: object, error: unknown): void
  /** Logs a failure of the store that a client did not notice. */
  storeFailed(error: unknown): void
}

export interface ObservationOptions
  extends
    Omit<MetricsOptions, 'version' | 'limit'>,
    Pick<ImageWatchOptions, 'has' | 'elsewhere'>,
    Pick<EvictionWatchOptions, 'imagesOf'> {
  readonly log: Logger
  /** Asked when the store is open. */
  readonly savingsLog: () => SavingsLog
  /** Epoch milliseconds. */
  readonly now: () => number
}

export function buildObservation(
  { storage, upstreams }: Pick<Config, 'storage' | 'upstreams'>,
  { log, now, savingsLog, has, elsewhere, imagesOf, ...measured }: ObservationOptions,
): Observation {
  const counted = metrics({ ...measured, version: version(), limit: storage.maxSize })
  const events = eventHub(now)
  events.subscribe(eventLines(log))
  const watch = upstreamWatch({
    upstreams: watchedUpstreams(upstreams),
    emit: events.emit,
    now,
  })
  const disk = storeWatch({ emit: events.emit, now })
  const images = imageWatch({ emit: events.emit, has, ...(elsewhere && { elsewhere }) })
  const audit = auditTrail({ log, now })
  const logins: LoginTelemetry = {
    login(result, { user = 'a token', address }) {
      if (result === 'refused')
        audit.record({ action: 'login', by: user, from: address, target: 'registry', result })
    },
  }
  const saved = savings({ log: savingsLog, now })
  const passed = traffic()
  const recorded = answers()
  const cost = upstreamCost()
  const isTold = recurring(now)

  /** One line for a trouble, however many requests meet it. */
  function tell(level: 'warn' | 'error', message: string, fields: object, error: unknown): void {
    if (!isRegistryError(error)) return log[level]({ ...fields, err: error }, message)
    const { code, detail } = error
    const times = isTold(`${message} ${detail['upstream']} ${code} ${detail['reason'] ?? detail['status']}`)
    if (times === undefined) return
    log[level]({ ...fields, error: code, detail, ...(times > 1 && { times }) }, message)
  }

  return {
    telemetry: {
      ...counted,
      requests: combined(counted.requests, saved.requests, passed.requests),
      transfers: combined(counted.transfers, saved.transfers),
      server: combined(counted.server, logins),
      upstreams: combined(
        counted.upstreams,
        watch.telemetry,
        saved.upstreams,
        passed.upstreams,
        cost.telemetry,
      ),
      store: combined(counted.store, { failed: disk.telemetry.failed }),
      ingest: combined<IngestTelemetry>(disk.telemetry, {
        failed: counted.store.failed,
        stored: images.stored,
      }),
      images: images.telemetry,
    },
    metrics: counted,
    events,
    upstreams: watch,
    cost,
    store: disk,
    images,
    evictions: evictionWatch({ emit: events.emit, imagesOf, now }),
    answers: recorded,
    audit,
    jobs: jobs({ log, now }),
    savings: saved,
    traffic: passed,
    trafficHistory: trafficHistory({ total: () => passed.report, now }),
    startedAt: now(),
    advise: pullAdvice({ upstreams: watch, now }),
    record: (upstream) => recordedUpstream(upstream, recorded, now),
    reloaded(needRestart) {
      const result = needRestart.length === 0 ? 'done' : `restart needed for ${needRestart.join(', ')}`
      audit.record({ action: 'reload', by: 'this machine', from: '-', target: 'configuration', result })
    },
    transferFailed(transfer, error) {
      // The store has reported it, and its state has a line of its own.
      if (!isRegistryError(error, 'STORAGE')) tell('warn', 'a transfer failed', { transfer }, error)
    },
    storeFailed(error) {
      if (!isRegistryError(error, 'STORAGE')) tell('error', 'the store failed', {}, error)
    },
  }
}

type Endpoint = NonNullable<Config['upstreams'][string]['endpoints']>[number]

/** Each upstream, and each of its endpoints where it has several. */
export function watchedUpstreams(
  upstreams: Config['upstreams'],
  isKept: (upstream: string) => boolean = () => false,
): readonly WatchedUpstream[] {
  const watched: WatchedUpstream[] = []
  for (const upstream of Object.values(upstreams)) {
    const { name, endpoints = [] } = upstream
    const common = { isOffline: upstream.offline === true, isKept: isKept(name) }
    watched.push({ name, hasCredentials: endpoints.length === 0 && hasCredentials(upstream), ...common })
    for (const way of endpoints)
      watched.push({ name: endpointName(name, way.url), hasCredentials: hasCredentials(way), ...common })
  }
  return watched
}

function hasCredentials(way: Endpoint): boolean {
  return hasOwnLogin(way) || way.credentials?.[0] !== undefined
}
