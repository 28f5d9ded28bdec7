import type { Digest } from '../oci/digest.ts'
import { isRegistryError, RegistryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { BlobReader, BlobStore } from '../ports/blob-store.ts'
import type { ReadOptions } from '../ports/read-options.ts'
import type { TransferTelemetry } from '../ports/telemetry.ts'
import { type Lane, lane, type LaneOptions } from './queue.ts'
import { passThrough } from './pass-through.ts'
import { quarantine } from './failure-backoff.ts'
import { type Transfer, transfer, type TransferView } from './download.ts'
import type { TransferPolicy } from './download-policy.ts'
import type { TransferRequest } from './download-request.ts'

export interface TransferManager {
  /** Joins the running transfer of this upstream and digest, or starts one. undefined = upstream does not have it. */
  follow(request: TransferRequest, options?: ReadOptions): Promise<BlobReader | undefined>
  /** Reads straight from upstream, storing nothing: for when the store is out of order. */
  bypass(request: TransferRequest, options?: ReadOptions): Promise<BlobReader | undefined>
  list(): readonly TransferView[]
}

export interface TransferManagerOptions {
  readonly store: BlobStore
  readonly policy: TransferPolicy
  /** How many transfers at once, by upstream. */
  readonly lanes: (upstream: string) => Omit<LaneOptions, 'upstream'>
  readonly telemetry: TransferTelemetry
  /** Told of transfers that failed. */
  readonly failed: (view: TransferView, error: unknown) => void
  /** Monotonic milliseconds. */
  readonly now: () => number
}

interface Running {
  readonly repository: RepositoryName
  readonly transfer: Transfer
}

/** Sees to it that there is one transfer per upstream and digest at a time, and not too many per upstream. */
export function transferManager(options: TransferManagerOptions): TransferManager & AsyncDisposable {
  const { store, policy, telemetry } = options
  const running = new Map<string, Running>()
  const lanes = new Map<string, Lane>()
  const shunned = quarantine(options.now)

  return {
    async follow(request, { signal, report } = {}) {
      const { repository, digest } = request
      const key = `${repository.upstream} ${digest}`
      for (;;) {
        const current = running.get(key)
        if (current === undefined) {
          if (shunned.has(key))
            throw new RegistryError('UPSTREAM_INVALID', { upstream: repository.upstream, digest })
          const reader = await start(key, request).follow(signal)
          report?.({ result: 'miss', forwardStatus: 200, stored: true })
          return reader
        }
        const own = current.repository.name === repository.name
        if (!own && !(await request.mayRead())) return undefined
        const joined = await join(current, own, digest, signal)
        if (joined === 'ask again') continue
        if (joined !== undefined) report?.({ result: 'collapsed' })
        return joined
      }
    },

    async bypass(request, { signal, report } = {}) {
      const { upstream } = request.repository
      const place = await laneOf(upstream).enter(signal)
      const reader = await passThrough(request).catch((error: unknown) => {
        place[Symbol.dispose]()
        throw error
      })
      report?.({ result: 'miss', forwardStatus: 200, stored: false })
      if (reader === undefined) place[Symbol.dispose]()
      return reader && alongside(reader, place)
    },

    list: () => [...running.values()].map(({ transfer }) => transfer.view),

    async [Symbol.asyncDispose]() {
      const all = [...running.values()].map(({ transfer }) => transfer)
      for (const one of all) one.cancel()
      await Promise.all(all.map(({ ended }) => ended))
    },
  }

  /**
   * Follows a running transfer, or opens what one that is ending has committed. That upstream refuses the repository which
   * started it says nothing about another.
   */
  async function join(
    { transfer }: Running,
    own: boolean,
    digest: Digest,
    signal: AbortSignal | undefined,
  ): Promise<BlobReader | undefined | 'ask again'> {
    if (transfer.joinable) {
      try {
        const reader = await transfer.follow(signal)
        if (reader !== undefined || own) return reader
      } catch (error) {
        if (own || !isRegistryError(error, 'UPSTREAM_DENIED')) throw error
      }
    }
    // What the store has when it failed is not what this upstream sent.
    return (await transfer.ended) === 'committed' ? ((await store.open(digest)) ?? 'ask again') : 'ask again'
  }

  function start(
    key: string,
    { repository, digest, expectedSize, source, verified }: TransferRequest,
  ): Transfer {
    const { upstream } = repository
    let place: Disposable | undefined
    const started = transfer({
      upstream,
      digest,
      expectedSize,
      source,
      verified,
      policy,
      async ingest(signal) {
        place = await laneOf(upstream).enter(signal)
        return store.ingest({
          digest,
          origin: upstream,
          ...(expectedSize !== undefined && { size: expectedSize }),
        })
      },
      resumed: () => telemetry.resumed(upstream),
      failed: (error) => options.failed(started.view, error),
    })
    running.set(key, { repository, transfer: started })
    count(upstream)
    started.ended.then((outcome) => {
      place?.[Symbol.dispose]()
      running.delete(key)
      count(upstream)
      if (outcome === 'mismatch') shunned.blame(key)
      if (outcome === 'committed') shunned.clear(key)
    })
    return started
  }

  function count(upstream: string): void {
    const mine = [...running.values()].filter(({ repository }) => repository.upstream === upstream)
    telemetry.running(upstream, mine.length)
  }

  function laneOf(upstream: string): Lane {
    let found = lanes.get(upstream)
    if (found === undefined) {
      found = lane({ upstream, ...options.lanes(upstream) })
      lanes.set(upstream, found)
    }
    return found
  }
}

/** `reader`, whose disposal also disposes `companion`. */
function alongside(reader: BlobReader, companion: Disposable): BlobReader {
  return {
    descriptor: reader.descriptor,
    read: (buffer, position) => reader.read(buffer, position),
    async [Symbol.asyncDispose]() {
      companion[Symbol.dispose]()
      await reader[Symbol.asyncDispose]()
    },
  }
}
