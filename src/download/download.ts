import type { Digest } from '../oci/digest.ts'
import { isRegistryError, RegistryError } from '../oci/errors.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'
import type { BlobIngest, BlobReader, BlobStore } from '../ports/blob-store.ts'
import { throttle } from '../util/throttle.ts'
import { BlobFetch } from './blob-fetch.ts'
import { type DownloadPolicy, WITHHELD, worthFinishing } from './download-policy.ts'
import type { DownloadRequest } from './download-request.ts'
import type { Heartbeat } from './heartbeat.ts'
import type { Queue } from './queue.ts'
import { Readers, type Subscription } from './readers.ts'

/** A running download as an operator sees it. Sizes in bytes. */
export interface DownloadView {
  readonly upstream: string
  readonly digest: Digest
  readonly size: number | undefined
  readonly filled: number
  readonly bytesPerSecond: number
  readonly followers: number
  readonly connections: number
  readonly attempts: number
  /** Epoch milliseconds. */
  readonly startedAt: number
}

/** `failed`: the source or the store failed, or the download was stopped. `mismatch`: upstream sent something else. */
export type Outcome = 'committed' | 'missing' | 'failed' | 'mismatch'

/** What all downloads of an upstream share. */
export interface DownloadContext {
  readonly store: Pick<BlobStore, 'ingest'>
  readonly queue: Queue
  readonly policy: DownloadPolicy
  readonly heartbeat: Heartbeat
  /** Another attempt begins after one that failed. */
  readonly resumed: () => void
  /** Something went wrong, whether or not a reader notices. */
  readonly failed: (view: DownloadView, error: unknown) => void
}

/** Readers are woken at most once in so many milliseconds, so that close followers do not read in tiny pieces, */
const WAKE_EVERY = 4
/** or when so many bytes have arrived. */
const WORTH_WAKING = 256 * 1024

/**
 * One blob on its way from its source into the store. It starts when it is made, and belongs to the proxy: readers subscribe
 * to it, read from any byte at their own speed, and may leave. It ends early only when it has no reader and is not worth
 * finishing; the store keeps its bytes then.
 */
export class Download implements AsyncDisposable {
  /** Settles when the download is over, and its bytes are committed, kept or gone. Never rejects. */
  readonly ended: Promise<Outcome>
  readonly #request: DownloadRequest
  readonly #context: DownloadContext
  readonly #startedAt = Date.now()
  readonly #stop = new AbortController()
  readonly #readers = new Readers()
  /** The size, once readers may begin. */
  readonly #opened = Promise.withResolvers<number | undefined>()
  readonly #wakeReaders = throttle(WAKE_EVERY, WORTH_WAKING, () => {
    this.#readers.wake((position) => this.#readableFrom(position) > position)
  })
  #size: number | undefined
  #ingest: BlobIngest | undefined
  #fetch: BlobFetch | undefined
  /** `verified`: every byte is there, and readers get it all, whatever becomes of the commit. */
  #phase: 'receiving' | 'verified' | 'failed' = 'receiving'
  #failure: unknown
  #isOver = false

  constructor(request: DownloadRequest, context: DownloadContext) {
    this.#request = request
    this.#context = context
    this.#size = request.expectedSize
    this.#opened.promise.catch(() => {})
    this.ended = this.#run()
  }

  get upstream(): string {
    return this.#request.repository.upstream
  }

  get view(): DownloadView {
    return {
      upstream: this.upstream,
      digest: this.#request.digest,
      size: this.#size,
      filled: this.#filled,
      bytesPerSecond: Math.round(this.#fetch?.rate ?? 0),
      followers: this.#readers.count,
      connections: this.#fetch?.connections ?? 0,
      attempts: this.#fetch?.attempts ?? 0,
      startedAt: this.#startedAt,
    }
  }

  /** False once the download is over or about to end early. Nobody may subscribe then. */
  get isJoinable(): boolean {
    return !this.#isOver && !this.#stop.signal.aborted && this.#phase !== 'failed'
  }

  /**
   * Adds a reader. `signal` ends its wait for the start of the download.
   *
   * @returns undefined when the source does not have the blob.
   */
  async subscribe(signal?: AbortSignal): Promise<BlobReader | undefined> {
    const subscription = this.#readers.subscribe()
    try {
      const size = await subscription.until(this.#opened.promise, signal)
      if (size !== undefined) return this.#reader(subscription, size)
    } catch (error) {
      this.#leave(subscription)
      throw error
    }
    this.#leave(subscription)
    return undefined
  }

  /** Ends the download early. Its bytes are kept for the next one. */
  cancel(): void {
    this.#abort('download cancelled')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel()
    await this.ended
  }

  get #filled(): number {
    return this.#ingest?.filled.size ?? 0
  }

  async #run(): Promise<Outcome> {
    try {
      using _place = await this.#context.queue.enter(this.#stop.signal)
      return await this.#receive()
    } catch (error) {
      this.#context.failed(this.view, error)
      return this.#phase === 'verified' ? 'failed' : await this.#fail(error)
    } finally {
      this.#isOver = true
      this.#closeWhenUnread()
    }
  }

  /** Fetches, verifies and commits. */
  async #receive(): Promise<Outcome> {
    const { digest, expectedSize: size, verified } = this.#request
    const expected = { digest, origin: this.upstream, ...(size !== undefined && { size }) }
    this.#ingest = await this.#context.store.ingest(expected)
    const total = await this.#fetchInto(this.#ingest)
    if (total === undefined) {
      this.#opened.resolve(undefined)
      return 'missing'
    }
    this.#size = total
    await this.#ingest.verify(total)
    await verified()
    this.#phase = 'verified'
    this.#opened.resolve(total)
    this.#readers.wake(() => true)
    await this.#ingest.commit()
    return 'committed'
  }

  async #fetchInto(ingest: BlobIngest): Promise<number | undefined> {
    const { policy, heartbeat, resumed } = this.#context
    const { source, expectedSize } = this.#request
    const observer = {
      confirmed: (size: number | undefined) => {
        this.#size = size
        if (size !== undefined) this.#opened.resolve(size)
      },
      wrote: this.#wakeReaders,
      resumed,
      positions: () => this.#readers.positions(),
    }
    this.#fetch = new BlobFetch({ ingest, source, expectedSize, policy, observer })
    using _beat = heartbeat.add(this.#fetch)
    return await this.#fetch.run(this.#stop.signal)
  }

  async #fail(reason: unknown): Promise<Outcome> {
    const { failed } = this.#context
    this.#phase = 'failed'
    this.#failure = reason
    this.#opened.reject(reason)
    this.#readers.fail(reason)
    if (isRegistryError(reason, 'UPSTREAM_INVALID')) return 'mismatch'
    if (!isRegistryError(reason, 'STORAGE')) {
      await this.#ingest?.keep().catch((error: unknown) => failed(this.view, error))
    }
    return 'failed'
  }

  /** The end of what may be read from `position` on; `position` itself when nothing may be. */
  #readableFrom(position: number): number {
    if (this.#ingest === undefined || this.#size === undefined) return position
    if (this.#phase === 'verified') return this.#size
    return Math.min(this.#ingest.filled.filledFrom(position), this.#size - WITHHELD)
  }

  #reader(subscription: Subscription, size: number): BlobReader {
    return {
      descriptor: { mediaType: OCTET_STREAM, digest: this.#request.digest, size },
      read: async (buffer, position) => {
        for (;;) {
          subscription.check()
          if (this.#phase === 'failed') throw this.#failure
          if (position >= size) return 0
          const end = this.#readableFrom(position)
          if (end > position) {
            const wanted = buffer.subarray(0, Math.min(buffer.length, end - position))
            return this.#fetch!.recent.read(wanted, position) || this.#ingest!.read(wanted, position)
          }
          await subscription.wait(position)
        }
      },
      [Symbol.asyncDispose]: async () => this.#leave(subscription),
    }
  }

  #leave(subscription: Subscription): void {
    subscription[Symbol.dispose]()
    if (this.#readers.count > 0) return
    this.#closeWhenUnread()
    if (this.#isOver || this.#phase === 'verified') return
    if (!worthFinishing(this.#context.policy, this.#filled, this.#size)) this.#abort('nobody reads it')
  }

  #abort(reason: string): void {
    this.#stop.abort(new RegistryError('UPSTREAM_UNAVAILABLE', { upstream: this.upstream, reason }))
  }

  /** Readers read to the end of what was committed through the open file. */
  #closeWhenUnread(): void {
    if (!this.#isOver || this.#readers.count > 0) return
    const closing = this.#ingest
    this.#ingest = undefined
    const { failed } = this.#context
    Promise.resolve(closing?.[Symbol.asyncDispose]()).catch((error: unknown) => failed(this.view, error))
  }
}
