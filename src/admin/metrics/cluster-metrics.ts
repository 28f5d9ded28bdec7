import { Histogram, type Registry } from 'prom-client'
import type { ClusterTelemetry } from '../../ports/telemetry.ts'

const SECONDS = [0.001, 0.005, 0.025, 0.1, 0.5, 2]

/** The statements to the index that replicas share. Without `storage.index` there are none, and no series. */
export function clusterMetrics(register: Registry): ClusterTelemetry {
  const seconds = new Histogram({
    name: 'entrepot_shared_index_seconds',
    help: 'Seconds that statements to the shared index took. The code is ok, or that of the failure.',
    labelNames: ['code'],
    buckets: SECONDS,
    registers: [register],
  })
  return { asked: (took, reason = 'ok') => seconds.observe({ code: reason }, took) }
}
