import { Counter, Gauge, type Registry } from 'prom-client'
import type { StoreUsage, UpstreamInventory } from '../../ports/metadata.ts'
import type { StoreTelemetry } from '../../ports/telemetry.ts'

export interface StoreMetricsOptions {
  readonly usage: () => Promise<StoreUsage>
  readonly usageByUpstream: UpstreamInventory['usageByUpstream']
  /** `storage.maxSize` */
  readonly limit: number
  /** `maxSize` of the upstreams that have one. May change. */
  readonly shares: () => ReadonlyMap<string, number>
}

/** What is told most often; others appear with the first failure. */
const OPERATIONS = ['reserve', 'ingest', 'write', 'commit', 'read', 'index'] as const
const REASONS = ['ttl', 'quota', 'purge', 'corrupt'] as const

export interface StoreMetrics extends StoreTelemetry {
  /** Measures the store for the next scrape. */
  measure(): Promise<void>
}

/** What the store holds and takes. When it cannot be asked, its gauges are NaN. */
export function storeMetrics(
  register: Registry,
  { usage, usageByUpstream, limit, shares }: StoreMetricsOptions,
): StoreMetrics {
  const registers = [register]
  const evictions = new Counter({
    name: 'entrepot_evictions_total',
    help: 'Objects removed from the store.',
    labelNames: ['reason'],
    registers,
  })
  const errors = new Counter({
    name: 'entrepot_store_errors_total',
    help: 'Failed operations of the store.',
    labelNames: ['operation'],
    registers,
  })
  // A counter that begins at 1 shows no increase.
  for (const reason of REASONS) evictions.inc({ reason }, 0)
  for (const operation of OPERATIONS) errors.inc({ operation }, 0)
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers })
  const byUpstream = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ['upstream'], registers })
  const ofUpstream = byUpstream(
    'entrepot_upstream_stored_bytes',
    'Bytes of committed content of an upstream. Content of several upstreams counts in each.',
  )
  const shareOf = byUpstream(
    'entrepot_upstream_stored_limit_bytes',
    'Bytes that the configuration allows for the content of an upstream, where it has a limit of its own.',
  )
  const bytes = gauge('entrepot_store_bytes', 'Bytes of committed content.')
  const objects = gauge('entrepot_store_objects', 'Committed objects.')
  const free = gauge('entrepot_store_free_bytes', 'Free bytes of the file system that holds the store.')
  const index = gauge('entrepot_store_index_bytes', 'Bytes of the index, without its free pages.')
  const partial = gauge(
    'entrepot_partial_bytes',
    'Bytes of unfinished downloads, running and interrupted ones.',
  )
  gauge(
    'entrepot_store_limit_bytes',
    'Bytes that the configuration allows for content, index and unfinished downloads.',
  ).set(limit)

  const unknown = () => {
    errors.inc({ operation: 'usage' })
    return undefined
  }

  return {
    evicted: (reason) => evictions.inc({ reason }),
    failed: (operation) => errors.inc({ operation }),
    async measure() {
      const used = await usage().catch(unknown)
      const stored = await usageByUpstream().catch(unknown)
      ofUpstream.reset()
      for (const [upstream, size] of stored ?? []) ofUpstream.set({ upstream }, size.bytes)
      shareOf.reset()
      for (const [upstream, bytes] of shares()) shareOf.set({ upstream }, bytes)
      // An old value, or none, would look like a healthy store.
      bytes.set(used?.bytes ?? Number.NaN)
      objects.set(used?.objects ?? Number.NaN)
      free.set(used?.disk.freeBytes ?? Number.NaN)
      index.set(used?.indexBytes ?? Number.NaN)
      partial.set(used === undefined ? Number.NaN : used.partialBytes + used.runningBytes)
    },
  }
}
