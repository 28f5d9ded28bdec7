import { setTimeout as delay } from 'node:timers/promises'
import { isRegistryError } from '../../oci/errors.ts'
import type { UpstreamTelemetry } from '../../ports/telemetry.ts'
import type { Upstream, UpstreamRepository } from '../../ports/upstream.ts'
import { type Circuit, circuit } from './circuit-breaker.ts'

export interface CircuitBreakerOptions {
  readonly telemetry: Pick<UpstreamTelemetry, 'available'>
  /** Milliseconds that never go back. */
  readonly now?: () => number
}

/** Milliseconds, and as much again at random. */
const RETRY_AFTER = 50

/**
 * An upstream that is left alone while it is out of order or limits us. Blobs have a circuit of their own:
 * they often come from elsewhere than manifests. What fails for a moment is asked once more, soon; but not
 * blobs, since whoever downloads them tries again by himself.
 */
export function withCircuitBreaker(
  upstream: Upstream,
  { telemetry, now = () => performance.now() }: CircuitBreakerOptions,
): Upstream {
  const closed = { blobs: true, metadata: true }
  const circuitFor = (lane: keyof typeof closed): Circuit =>
    circuit({
      now,
      changed(isClosed) {
        closed[lane] = isClosed
        telemetry.available(upstream.name, closed.blobs && closed.metadata)
      },
    })
  const blobs = circuitFor('blobs')
  const metadata = circuitFor('metadata')
  telemetry.available(upstream.name, true)

  /**
   * A blob's way begins where manifests are asked for; a limit on those is none on blobs, and what is under
   * way goes on.
   */
  const refuseCold = (range: unknown): void => {
    const { refusal } = metadata
    if (range === undefined && refusal !== undefined && refusal.code !== 'UPSTREAM_LIMITED') throw refusal
  }
  const ask = <T>(task: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> =>
    metadata.run(() => twice(task, signal))

  return {
    name: upstream.name,
    get isNearlyExhausted() {
      return upstream.isNearlyExhausted
    },
    repository(name) {
      const repository = upstream.repository(name)
      const guarded: UpstreamRepository = {
        get isNearlyExhausted() {
          return repository.isNearlyExhausted
        },
        resolve: (tag, signal) => ask(() => repository.resolve(tag, signal), signal),
        manifest: (digest, signal) => ask(() => repository.manifest(digest, signal), signal),
        statBlob: (digest, signal) => ask(() => repository.statBlob(digest, signal), signal),
        tags: {
          whole: (signal) => ask(() => repository.tags.whole(signal), signal),
          page: (page, signal) => ask(() => repository.tags.page(page, signal), signal),
        },
        referrers: (digest, signal) => ask(() => repository.referrers(digest, signal), signal),
        async blob(digest, range, signal) {
          refuseCold(range)
          return blobs.run(() => repository.blob(digest, range, signal))
        },
      }
      return guarded
    },
  }
}

async function twice<T>(task: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await task()
  } catch (error) {
    if (!isRegistryError(error, 'UPSTREAM_UNAVAILABLE') || signal?.aborted) throw error
    await delay(RETRY_AFTER * (1 + Math.random()))
    return task()
  }
}
