import { Counter, Gauge, type Registry } from 'prom-client'
import type { Footprint, StoreUsage } from '../../ports/metadata.ts'
import type { StoreTelemetry } from '../../ports/telemetry.ts'

export interface StoreMetricsOptions {
  readonly usage: () => Promise<StoreUsage>
  readonly footprint: () => Promise<Footprint>
  /** Bytes of committed content that the configuration allows. */
  readonly limit: number
}

export interface StoreMetrics extends StoreTelemetry {
  /** Measures the store for the next scrape. */
  measure(): Promise<void>
}

/** What the store holds and takes. When it cannot be asked, its gauges are NaN. */
export function storeMetrics(
  register: Registry,
  { usage, footprint, limit }: StoreMetricsOptions,
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
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers })
  const bytes = gauge('entrepot_store_bytes', 'Bytes of committed content.')
  const objects = gauge('entrepot_store_objects', 'Committed objects.')
  const free = gauge('entrepot_store_free_bytes', 'Free bytes of the file system that holds the store.')
  const index = gauge(
    'entrepot_store_index_bytes',
    'Bytes of the index on disk, its write-ahead log included.',
  )
  const partial = gauge('entrepot_partial_bytes', 'Bytes of unfinished downloads on disk.')
  gauge('entrepot_store_limit_bytes', 'Bytes of committed content that the configuration allows.').set(limit)

  return {
    evicted: (reason) => evictions.inc({ reason }),
    failed: (operation) => errors.inc({ operation }),
    async measure() {
      const [used, taken] = await Promise.allSettled([usage(), footprint()])
      // An old value, or none, would look like a healthy store.
      if (used.status === 'rejected' || taken.status === 'rejected') errors.inc({ operation: 'usage' })
      const { value: store } = used.status === 'fulfilled' ? used : { value: undefined }
      const { value: other } = taken.status === 'fulfilled' ? taken : { value: undefined }
      bytes.set(store?.bytes ?? Number.NaN)
      objects.set(store?.objects ?? Number.NaN)
      free.set(store?.freeBytes ?? Number.NaN)
      index.set(other?.indexBytes ?? Number.NaN)
      partial.set(other?.partialBytes ?? Number.NaN)
    },
  }
}
