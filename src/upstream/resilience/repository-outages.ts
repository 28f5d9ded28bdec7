import { isRegistryError, type RegistryError } from '../../oci/errors.ts'
import { isNotAgain, notAgain } from './circuit-breaker.ts'

/**
 * Finds out when one kind of request fails for every repository of an upstream, and not for a few of them
 * only.
 */
export interface RepositoryOutages {
  /**
   * Runs `task` for a repository. While the kind is out it throws the reason instead, except to a few probes.
   */
  run<T>(repository: string, task: () => Promise<T>): Promise<T>
  /** Another replica finds that the kind is out, or is back. */
  heard(isOut: boolean): void
}

export interface RepositoryOutagesOptions {
  /** Called with the reason when the kind is out, and without when it is back. */
  readonly changed: (reason: RegistryError | undefined) => void
  /** Tells the other replicas what was found here. Left out: there are none. */
  readonly tell?: ((isOut: boolean) => void) | undefined
  /** Monotonic clock, in milliseconds. */
  readonly now: () => number
}

/** Repositories that fail while none succeeds. */
const SEVERAL = 4
/** Failing repositories that are remembered. */
const MOST = 64
/** Milliseconds. A failure that comes sooner costs a client nothing, so it needs no protection. */
const SLOW = 1_000
/** Milliseconds that another replica's outage counts as the failures of several repositories but for one. */
const BELIEVED = 60_000
/** Requests that may probe at once, of repositories that have not failed and of those that have. */
const PROBES = { unknown: 4, failing: 1 }

/**
 * A kind is out when requests for several repositories have failed slowly and none has succeeded since.
 * Requests of repositories that have not failed go on probing, so repeated failures of a few repositories
 * cannot keep the others out (SEC-72). Where another replica has found it out, one failure here confirms it, and
 * one success refutes it.
 */
export function repositoryOutages({ changed, tell, now }: RepositoryOutagesOptions): RepositoryOutages {
  const failing = new Set<string>()
  const probing = { unknown: 0, failing: 0 }
  let reason: RegistryError | undefined
  let believedUntil = -Infinity

  const succeeded = (): void => {
    failing.clear()
    believedUntil = -Infinity
    if (reason === undefined) return
    reason = undefined
    changed(undefined)
    tell?.(false)
  }

  const failed = (repository: string, error: RegistryError): void => {
    failing.add(repository)
    if (failing.size > MOST) failing.delete(failing.values().next().value!)
    const isConfirmed = now() < believedUntil
    if ((failing.size < SEVERAL && !isConfirmed) || reason !== undefined) return
    reason = error
    changed(error)
    if (!isConfirmed) tell?.(true)
  }

  const judge = (repository: string, error: unknown, milliseconds: number): void => {
    if (!isRegistryError(error) || isNotAgain(error) || error.code === 'UPSTREAM_LIMITED') return
    if (!isRegistryError(error, 'UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMEOUT')) return succeeded()
    if (milliseconds >= SLOW) failed(repository, error)
  }

  const watch = async <T>(repository: string, task: () => Promise<T>): Promise<T> => {
    const began = now()
    try {
      const value = await task()
      succeeded()
      return value
    } catch (error) {
      judge(repository, error, now() - began)
      throw error
    }
  }

  return {
    async run(repository, task) {
      if (reason === undefined) return watch(repository, task)
      const group = failing.has(repository) ? 'failing' : 'unknown'
      if (probing[group] >= PROBES[group]) throw notAgain(reason)
      probing[group] += 1
      try {
        return await watch(repository, task)
      } finally {
        probing[group] -= 1
      }
    },
    heard(isOut) {
      believedUntil = isOut ? now() + BELIEVED : -Infinity
    },
  }
}
