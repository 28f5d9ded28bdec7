import { Gauge, Histogram, type Registry } from 'prom-client'
import type { ClusterTelemetry } from '../../ports/telemetry.ts'

const SECONDS = [0.001, 0.005, 0.025, 0.1, 0.5, 2]

/** What replicas share. Without `storage.index` there are no series. */
export function clusterMetrics(register: Registry): ClusterTelemetry {
  const seconds = new Histogram({
    name: 'entrepot_shared_index_seconds',
    help: 'Seconds that statements to the shared index took. The code is ok, or that of the failure.',
    labelNames: ['code'],
    buckets: SECONDS,
    registers: [register],
  })
  const info = new Gauge({
    name: 'entrepot_replica_info',
    help: 'Always 1; the label says where the other replicas reach this one.',
    labelNames: ['address'],
    registers: [register],
  })
  const count = new Gauge({
    name: 'entrepot_replicas',
    help: 'Replicas that the shared index has heard of within 75 seconds, as this one last saw.',
    labelNames: [],
    registers: [],
  })
  return {
    asked: (took, reason = 'ok') => seconds.observe({ code: reason }, took),
    replicas(address, replicas) {
      info.set({ address }, 1)
      // Without a cluster it would say that there is none.
      if (register.getSingleMetric('entrepot_replicas') === undefined) register.registerMetric(count)
      count.set(replicas)
    },
  }
}
