import type { Upstream, UpstreamRepository } from '../ports/upstream.ts'

/** All replicas spend the rate limit of one account: what one of them is told of it holds for all. */
export interface SharedScarcity {
  /** What an upstream has told this replica, as `UpstreamTelemetry.rateLimit`. */
  rateLimit(upstream: string, remaining: number, budget: { readonly isNearlyExhausted: boolean }): void
  /** As `UpstreamTelemetry.circuit`: an upstream that refuses for a while has nothing left meanwhile. */
  circuit(upstream: string, state: string, reason?: { readonly retryAfter?: unknown }): void
  /** Takes what another replica tells: it is nearly used up, for so many milliseconds from now; 0: no more. */
  heard(upstream: string, duration: number): void
  /** The upstream, whose limit is nearly used up also when another replica has been told so. */
  over(upstream: Upstream): Upstream
}

export interface SharedScarcityOptions {
  readonly tell: (upstream: string, duration: number) => void
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Milliseconds that others believe it, unless it is told again; and between two tellings. */
const BELIEVED = 60_000
const TELL_EVERY = 20_000

export function sharedScarcity({ tell, now }: SharedScarcityOptions): SharedScarcity {
  const toldAt = new Map<string, number>()
  const heardUntil = new Map<string, number>()
  const isScarce = (name: string): boolean => now() < (heardUntil.get(name) ?? -Infinity)

  function tellOnce(upstream: string, duration = BELIEVED): void {
    const told = toldAt.get(upstream)
    if (told !== undefined && now() - told < TELL_EVERY) return
    toldAt.set(upstream, now())
    tell(upstream, Math.min(BELIEVED, duration))
  }

  return {
    rateLimit(upstream, _remaining, { isNearlyExhausted }) {
      if (isNearlyExhausted) return tellOnce(upstream)
      heardUntil.delete(upstream)
      if (toldAt.delete(upstream)) tell(upstream, 0)
    },
    circuit(upstream, state, reason) {
      if (state !== 'limited') return
      const { retryAfter } = reason ?? {}
      tellOnce(upstream, typeof retryAfter === 'number' ? retryAfter * 1000 : undefined)
    },
    heard(upstream, duration) {
      if (duration <= 0) heardUntil.delete(upstream)
      else heardUntil.set(upstream, now() + Math.min(duration, BELIEVED))
    },
    over: (upstream) => ({
      name: upstream.name,
      get isNearlyExhausted() {
        return upstream.isNearlyExhausted || isScarce(upstream.name)
      },
      repository: (name) => scarce(upstream.repository(name), () => isScarce(upstream.name)),
    }),
  }
}

function scarce(repository: UpstreamRepository, isScarce: () => boolean): UpstreamRepository {
  return {
    get isNearlyExhausted() {
      return repository.isNearlyExhausted || isScarce()
    },
    promisesBlobsAfter: repository.promisesBlobsAfter,
    resolve: (tag, signal) => repository.resolve(tag, signal),
    resolveByGet: (tag, signal) => repository.resolveByGet(tag, signal),
    manifest: (digest, signal) => repository.manifest(digest, signal),
    statBlob: (digest, signal) => repository.statBlob(digest, signal),
    blob: (digest, range, signal) => repository.blob(digest, range, signal),
    tags: repository.tags,
    referrers: (digest, signal) => repository.referrers(digest, signal),
  }
}
