import type { Neighbours, Outage } from '../ports/cluster.ts'
import type { Leases } from './leases.ts'

/** How replicas tell each other what is out, and take turns to look whether it is back. */
export function sharedOutages(leases: Pick<Leases, 'turn'>, tell: (outage: Outage) => void): Neighbours {
  return {
    tell,
    mayProbe: async (endpoint, milliseconds) =>
      (await leases.turn(`probe ${endpoint}`, milliseconds)) ?? true,
  }
}
