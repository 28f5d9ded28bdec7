import { setTimeout as delay } from 'node:timers/promises'
import { isRegistryError } from '../../oci/errors.ts'
import type { UpstreamTelemetry } from '../../ports/telemetry.ts'
import { aroundRequests, type UpstreamRequestInfo } from '../../ports/around-requests.ts'
import type { Upstream } from '../../ports/upstream.ts'
import { circuit, isNotAgain, LIMIT_WEIGHTS } from './circuit-breaker.ts'
import { repositoryCircuits } from './repository-circuits.ts'
import { type RepositoryOutages, repositoryOutages } from './repository-outages.ts'
import type { UpstreamState } from './upstream-state.ts'

export interface CircuitBreakerOptions {
  readonly state: Pick<UpstreamState, 'report'>
  readonly telemetry: Pick<UpstreamTelemetry, 'denied'>
  /** The other replicas; left out: there are none. */
  readonly tell?: ((what: string, isOut: boolean) => void) | undefined
  /** Monotonic clock, in milliseconds. */
  readonly now?: () => number
}

/** A HEAD of a blob is a kind of its own: registries answer it elsewhere, or wrongly, while the GET works. */
const KINDS = ['manifests', 'blobs', 'blob sizes', 'tags', 'referrers'] as const
type Kind = (typeof KINDS)[number]
const KIND_OF: Readonly<Record<UpstreamRequestInfo['kind'], Kind>> = {
  tag: 'manifests',
  manifest: 'manifests',
  blob: 'blobs',
  'blob size': 'blob sizes',
  tags: 'tags',
  referrers: 'referrers',
}
/** An upstream limits blobs apart from everything else. */
type Lane = 'blobs' | 'metadata'

export interface GuardedUpstream extends Upstream {
  /** Another replica finds that a kind of request fails for several repositories, or works again. */
  heard(what: string, isOut: boolean): void
}

/** Milliseconds before a failed request is sent again, and up to as much again at random. */
const RETRY_AFTER = 50

/**
 * An upstream that gets no requests for what fails. A failure is held against its repository and kind; a kind
 * of the upstream as a whole is out when several repositories fail and none succeeds, and a limit pauses all
 * of them (SEC-72). Whether the host can be reached at all is decided below, by its connections
 * (`HostHealth`).
 *
 * A request that fails is sent once more soon after. GETs of blobs are not: downloads retry by themselves.
 */
export function withCircuitBreaker(upstream: Upstream, options: CircuitBreakerOptions): GuardedUpstream {
  const { state, telemetry, tell, now = () => performance.now() } = options
  const limitOf = (lane: Lane) =>
    circuit({ now, weights: LIMIT_WEIGHTS, changed: (reason) => state.report(`limit of ${lane}`, reason) })
  const limits = { blobs: limitOf('blobs'), metadata: limitOf('metadata') }
  const outageOf = (kind: string) =>
    repositoryOutages({
      now,
      changed: (reason) => state.report(kind, reason),
      tell: tell && ((isOut) => tell(kind, isOut)),
    })
  const outages = new Map<string, RepositoryOutages>(KINDS.map((kind) => [kind, outageOf(kind)]))
  const circuits = repositoryCircuits(now)

  const send = async <T>(kind: Kind, repository: string, task: () => Promise<T>): Promise<T> => {
    const limit = limits[kind === 'blobs' ? 'blobs' : 'metadata']
    try {
      return await limit.run(() =>
        outages.get(kind)!.run(repository, () => circuits.run(repository, kind, task)),
      )
    } catch (error) {
      if (error instanceof Left) throw error.reason
      if (isRegistryError(error, 'UPSTREAM_DENIED')) telemetry.denied(upstream.name)
      throw error
    }
  }

  const guarded = aroundRequests(upstream, (name) => ({ kind: asked, signal }, ask) => {
    const kind = KIND_OF[asked]
    return send(kind, name, () => unlessLeft(kind === 'blobs' ? ask : () => twice(ask, signal), signal))
  })
  return {
    name: guarded.name,
    get isNearlyExhausted() {
      return guarded.isNearlyExhausted
    },
    repository: guarded.repository,
    heard: (what, isOut) => outages.get(what)?.heard(isOut),
  }
}

/** The caller has left, which says nothing about the upstream: no circuit judges an error that it does not know. */
class Left extends Error {
  readonly reason: unknown

  constructor(reason: unknown) {
    super('the caller has left')
    this.reason = reason
  }
}

async function unlessLeft<T>(ask: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    throw signal?.aborted === true ? new Left(error) : error
  }
}

async function twice<T>(task: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await task()
  } catch (error) {
    if (!isRegistryError(error, 'UPSTREAM_UNAVAILABLE') || isNotAgain(error) || signal?.aborted) throw error
    await delay(RETRY_AFTER * (1 + Math.random()))
    return task()
  }
}
