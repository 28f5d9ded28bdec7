import { LRUCache } from 'lru-cache'
import { isRegistryError } from '../../oci/errors.ts'
import { type Circuit, circuit, isNotAgain, OUTAGE_WEIGHTS } from './circuit-breaker.ts'

/** A circuit for each kind of request of each repository that fails. */
export interface RepositoryCircuits {
  run<T>(repository: string, kind: string, task: () => Promise<T>): Promise<T>
}

/** Clients choose the repositories, so no more are remembered. */
const MOST = 2_000

/** Holds failures against the (repository, kind) they happened to. Those that work take no memory. */
export function repositoryCircuits(now: () => number): RepositoryCircuits {
  const circuits = new LRUCache<string, Circuit>({ max: MOST })

  return {
    async run(repository, kind, task) {
      const key = `${kind} ${repository}`
      const known = circuits.get(key)
      if (known !== undefined) {
        const value = await known.run(task)
        circuits.delete(key)
        return value
      }
      try {
        return await task()
      } catch (error) {
        if (isOutage(error)) {
          const failing = circuits.get(key) ?? circuit({ now, weights: OUTAGE_WEIGHTS })
          circuits.set(key, failing)
          // Counts the failure. If the circuit is open by now, this one says nothing new.
          await failing.run(() => Promise.reject(error)).catch(() => {})
        }
        throw error
      }
    },
  }
}

function isOutage(error: unknown): boolean {
  return isRegistryError(error, 'UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMEOUT') && !isNotAgain(error)
}
