import { Gauge, Histogram, type Registry } from 'prom-client'
import type { RemoteTelemetry } from '../../ports/telemetry.ts'

const SECONDS = [0.005, 0.025, 0.1, 0.25, 1, 5, 30]

/** The requests to S3. Without `storage.s3` there are none, and no series. */
export function remoteMetrics(register: Registry): RemoteTelemetry {
  const registers = [register]
  const seconds = new Histogram({
    name: 'entrepot_s3_seconds',
    help: 'Seconds until the headers of an answer of S3. The code is none where there was no answer.',
    labelNames: ['operation', 'code'],
    buckets: SECONDS,
    registers,
  })
  const waiting = new Gauge({
    name: 'entrepot_s3_waiting_uploads',
    help: 'Objects that are committed here and not in S3 yet.',
    registers,
  })
  const stored = new Gauge({
    name: 'entrepot_s3_stored_bytes',
    help: 'Bytes in S3 as the last sweep found them. What pins and views.retain keep may exceed the limit.',
    labelNames: ['kept'],
    registers,
  })
  const limit = new Gauge({
    name: 'entrepot_s3_limit_bytes',
    help: 'storage.s3.maxSize; none where there is no limit.',
    labelNames: [],
    registers: [],
  })
  return {
    answered: (operation, status, took) => seconds.observe({ operation, code: status ?? 'none' }, took),
    waiting: (count) => waiting.set(count),
    swept(bytes, kept, most) {
      stored.set({ kept: 'no' }, bytes - kept)
      stored.set({ kept: 'yes' }, kept)
      if (most === undefined) return
      if (register.getSingleMetric('entrepot_s3_limit_bytes') === undefined) register.registerMetric(limit)
      limit.set(most)
    },
  }
}
