import { isRegistryError, RegistryError } from '../oci/errors.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'
import type { Digest } from '../oci/digest.ts'
import type { BlobIngest, BlobReader } from '../ports/blob-store.ts'
import { throttle } from '../util/throttle.ts'
import { type BlobSource, type Fill, fill } from './connection.ts'
import { followers } from './readers.ts'
import { RecentBytes } from './recent-bytes.ts'
import { type TransferPolicy, WITHHELD, worthFinishing } from './download-policy.ts'

/** A running transfer as an operator sees it. Sizes in bytes. */
export interface TransferView {
  readonly upstream: string
  readonly digest: Digest
  readonly size: number | undefined
  readonly filled: number
  readonly bytesPerSecond: number
  readonly followers: number
  readonly connections: number
  readonly attempts: number
  readonly startedAt: number
}

export interface TransferOptions {
  readonly upstream: string
  readonly digest: Digest
  readonly expectedSize: number | undefined
  readonly source: BlobSource
  /** Done before the last bytes are given to anybody. */
  readonly verified: () => Promise<void>
  readonly policy: TransferPolicy
  /** Opens the file the bytes go to, once it is this transfer's turn. */
  readonly ingest: (signal: AbortSignal) => Promise<BlobIngest>
  readonly resumed: () => void
  /** Told what went wrong with the transfer, also when its followers do not notice. */
  readonly failed: (error: unknown) => void
}

/**
 * One blob's way from an upstream into the store. It belongs to the proxy: clients follow it from any byte, at their own speed,
 * and may leave. It ends early only when nobody follows it and finishing is not worth it; its bytes are kept then.
 */
export interface Transfer {
  readonly view: TransferView
  /** False once it is ending early: it must not be joined any more. */
  readonly joinable: boolean
  /** Resolves when bytes may be asked for; undefined when upstream does not have the blob. */
  follow(signal?: AbortSignal): Promise<BlobReader | undefined>
  /** Settles when the transfer is over and its bytes are committed, kept or gone. Never rejects: see `outcome`. */
  readonly ended: Promise<TransferOutcome>
  cancel(): void
}

export type TransferOutcome = 'committed' | 'missing' | 'failed' | 'mismatch'

/** Milliseconds. */
const WAKE_EVERY = 4
/** Bytes that are not kept waiting for it. */
const WORTH_WAKING = 256 * 1024

export function transfer(options: TransferOptions): Transfer {
  const { upstream, digest, policy } = options
  const startedAt = Date.now()
  const stop = new AbortController()
  const readers = followers()
  const recent = new RecentBytes()
  const { promise: opened, resolve: open, reject: refuse } = Promise.withResolvers<number | undefined>()
  opened.catch(() => {})
  let size = options.expectedSize
  let ingest: BlobIngest | undefined
  let filling: Fill | undefined
  let verified = false
  let over = false
  let failure: unknown

  // Not at every chunk: many readers that follow closely would read it in as many small pieces.
  const wakeReaders = throttle(WAKE_EVERY, WORTH_WAKING, () =>
    readers.wake((position) => readableFrom(position) > position),
  )
  const ended = run()

  return {
    ended,
    get joinable() {
      return !over && !stop.signal.aborted && failure === undefined
    },
    get view() {
      return {
        upstream,
        digest,
        size,
        filled: ingest?.filled.size ?? 0,
        bytesPerSecond: Math.round(filling?.rate ?? 0),
        followers: readers.count,
        connections: filling?.connections ?? 0,
        attempts: filling?.attempts ?? 0,
        startedAt,
      }
    },
    cancel() {
      stop.abort(new RegistryError('UPSTREAM_UNAVAILABLE', { upstream, reason: 'transfer cancelled' }))
    },
    async follow(signal) {
      const seat = readers.join()
      try {
        const known = await seat.until(opened, signal)
        if (known === undefined) {
          leave(seat)
          return undefined
        }
        return reader(seat, known)
      } catch (error) {
        leave(seat)
        throw error
      }
    },
  }

  async function run(): Promise<TransferOutcome> {
    try {
      ingest = await options.ingest(stop.signal)
      filling = fill({
        ingest,
        source: options.source,
        expectedSize: options.expectedSize,
        policy,
        signal: stop.signal,
        demands: () => readers.positions(),
        begun: (known) => {
          size = known
          if (known !== undefined) open(known)
        },
        progressed: wakeReaders,
        recent,
        resumed: options.resumed,
      })
      const total = await filling.done
      if (total === undefined) {
        open(undefined)
        return 'missing'
      }
      size = total
      await ingest.verify(total)
      await options.verified()
      verified = true
      open(total)
      readers.wake(() => true)
      await ingest.commit()
      return 'committed'
    } catch (error) {
      options.failed(error)
      if (verified) return 'failed'
      failure = error
      refuse(error as Error)
      readers.fail(error)
      const mismatch = isRegistryError(error, 'UPSTREAM_INVALID')
      if (!mismatch && !isRegistryError(error, 'STORAGE')) await ingest?.keep().catch(options.failed)
      return mismatch ? 'mismatch' : 'failed'
    } finally {
      over = true
      closeWhenDone()
    }
  }

  function readableFrom(position: number): number {
    if (ingest === undefined || size === undefined) return position
    return verified ? size : Math.min(ingest.filled.filledFrom(position), size - WITHHELD)
  }

  function reader(seat: ReturnType<typeof readers.join>, total: number): BlobReader {
    return {
      descriptor: { mediaType: OCTET_STREAM, digest, size: total },
      async read(buffer, position) {
        for (;;) {
          seat.check()
          if (failure !== undefined) throw failure
          if (position >= total) return 0
          const end = readableFrom(position)
          if (end > position) {
            const wanted = buffer.subarray(0, Math.min(buffer.length, end - position))
            return recent.read(wanted, position) || ingest!.read(wanted, position)
          }
          await seat.wait(position)
        }
      },
      async [Symbol.asyncDispose]() {
        leave(seat)
      },
    }
  }

  function leave(seat: Disposable): void {
    seat[Symbol.dispose]()
    if (readers.count > 0) return
    closeWhenDone()
    if (!over && !verified && !worthFinishing(policy, ingest?.filled.size ?? 0, size)) {
      stop.abort(new RegistryError('UPSTREAM_UNAVAILABLE', { upstream, reason: 'nobody follows' }))
    }
  }

  function closeWhenDone(): void {
    if (!over || readers.count > 0) return
    const closing = ingest
    ingest = undefined
    Promise.resolve(closing?.[Symbol.asyncDispose]()).catch(options.failed)
  }
}
