import { isRegistryError, RegistryError } from '../oci/errors.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'
import type { BlobIngest, BlobReader } from '../ports/blob-store.ts'
import { Announcement } from './announcement.ts'
import { BlobFetch } from './fetch/blob-fetch.ts'
import type { DownloadContext, DownloadView, Outcome } from './download-context.ts'
import { givesUp, MOST_COMMITTING, WITHHELD } from './download-policy.ts'
import type { DownloadRequest } from './download-request.ts'
import type { Beating } from './heartbeat.ts'
import { Pace } from './pace.ts'
import { Readers } from './readers.ts'

/**
 * One blob on its way from its source into the store. It starts when it is made, and belongs to the proxy:
 * readers subscribe to it, read from any byte at their own speed, and may leave. It ends early only when it
 * has no reader and is not worth finishing; the store keeps its bytes then.
 */
export class Download implements AsyncDisposable, Beating {
  /** Settles when the download is over, and its bytes are committed, kept or gone. Never rejects. */
  readonly ended: Promise<Outcome>
  readonly #request: DownloadRequest
  readonly #context: DownloadContext
  readonly #startedAt = Date.now()
  readonly #stop = new AbortController()
  readonly #readers: Readers
  readonly #pace = new Pace()
  readonly #report = (error: unknown) => this.#context.failed(this.view, error)
  readonly #announcement = new Announcement()
  #size: number | undefined
  #ingest: BlobIngest | undefined
  #fetch: BlobFetch | undefined
  /** `verified`: every byte is there, and readers get it all, whatever becomes of the commit. */
  #phase: 'receiving' | 'verified' | 'failed' = 'receiving'
  #failure: { readonly reason: unknown } | undefined
  #isOver = false
  /** The source has the blob. */
  #isConfirmed = false
  /** The last reader left while bytes came. One that leaves before a slow source begins is expected back. */
  #wasLeft = false

  constructor(request: DownloadRequest, context: DownloadContext) {
    this.#request = request
    this.#context = context
    this.#size = request.expectedSize
    this.#readers = new Readers({
      failure: () => this.#failure,
      readableFrom: (position) => this.#readableFrom(position),
      read: (buffer, position) => this.#read(buffer, position),
      lend: (position, end) => this.#fetch?.recent.lend(position, end),
      unread: () => this.#unread(),
    })
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

  /** Bytes of the blob, once all have come and match the digest. */
  get verifiedSize(): number | undefined {
    return this.#phase === 'verified' ? this.#size : undefined
  }

  /** False once the download is over or about to end early. Nobody may subscribe then. */
  get isJoinable(): boolean {
    return !this.#isOver && !this.#stop.signal.aborted && this.#phase !== 'failed'
  }

  /**
   * Adds a reader, who expects `expected` bytes if it knows. `signal` ends its wait for the start.
   *
   * @returns undefined when the source does not have the blob.
   */
  async subscribe(expected: number | undefined, signal?: AbortSignal): Promise<BlobReader | undefined> {
    using leaving = new DisposableStack()
    const subscription = leaving.use(this.#readers.subscribe())
    const size = await subscription.until(this.#announcement.size(expected), signal)
    if (size === undefined) return undefined
    leaving.move()
    const descriptor = { mediaType: OCTET_STREAM, digest: this.#request.digest, size }
    return subscription.reader(descriptor, { isPromised: !this.#isConfirmed && this.#phase === 'receiving' })
  }

  /** Gives up when it is in the way of others, or of no use to anybody. */
  beat(): void {
    if (!this.#isConfirmed || this.#phase !== 'receiving') return
    this.#pace.beat(this.#filled)
    this.#giveUpIfUseless()
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
      using place = await this.#context.queue.enter(this.#request.client, this.#stop.signal)
      const ingest = await this.#receive()
      return ingest === undefined ? 'missing' : await this.#commit(ingest, place)
    } catch (error) {
      this.#report(error)
      return this.#phase === 'verified' ? 'failed' : await this.#fail(error)
    } finally {
      this.#isOver = true
      this.#fetch?.recent.clear()
      this.#closeWhenUnread()
      // Nobody waits for it: the next download may begin.
      Promise.resolve(this.#request.source.released?.()).catch(this.#report)
    }
  }

  /** Fetches and verifies. @returns undefined when the source does not have the blob */
  async #receive(): Promise<BlobIngest | undefined> {
    const { digest, expectedSize: size, verified } = this.#request
    const expected = { digest, origin: this.upstream, ...(size !== undefined && { size }) }
    this.#ingest = await this.#context.store.ingest(expected)
    const total = await this.#fetchInto(this.#ingest)
    if (total === undefined) {
      this.#announcement.tell(undefined)
      if (!this.#announcement.isPromised) return undefined
      const reason = 'blob that was promised by its manifest does not exist'
      throw new RegistryError('UPSTREAM_UNAVAILABLE', { upstream: this.upstream, reason })
    }
    this.#size = total
    await this.#ingest.verify(total)
    await verified()
    this.#phase = 'verified'
    this.#announcement.tell(total)
    this.#readers.wake()
    return this.#ingest
  }

  /** Nobody waits for the disk: readers have all bytes, and the next download may begin. */
  async #commit(ingest: BlobIngest, place: Disposable): Promise<Outcome> {
    const { committing } = this.#context
    if (committing.size < MOST_COMMITTING) place[Symbol.dispose]()
    committing.add(this)
    try {
      await ingest.commit()
    } finally {
      committing.delete(this)
    }
    return 'committed'
  }

  async #fetchInto(ingest: BlobIngest): Promise<number | undefined> {
    const { policy, heartbeat, resumed } = this.#context
    const { source, expectedSize, promiseAfter } = this.#request
    const observer = {
      confirmed: (size: number | undefined) => {
        this.#isConfirmed = true
        this.#size = size
        // An empty body is a complete answer, so it waits until the hash is known to match.
        if (size !== undefined && size > 0) this.#announcement.tell(size)
      },
      // With the last bytes comes the verdict, which wakes them all.
      wrote: (bytes: number) =>
        ingest.filled.size === this.#size ? undefined : this.#readers.arrived(bytes),
      resumed,
      positions: () => this.#readers.positions(),
    }
    using _watch = heartbeat.add(this)
    this.#fetch = new BlobFetch({ ingest, source, expectedSize, policy, observer })
    using _beat = heartbeat.add(this.#fetch)
    using _promise = this.#announcement.promise(expectedSize, promiseAfter, () => !this.#isConfirmed)
    return await this.#fetch.run(this.#stop.signal)
  }

  /** Tells the readers, and keeps the bytes for the next download unless they are wrong. */
  async #fail(reason: unknown): Promise<Outcome> {
    this.#phase = 'failed'
    this.#failure = { reason }
    this.#announcement.fail(reason)
    this.#readers.wake()
    if (isRegistryError(reason, 'UPSTREAM_INVALID')) return 'mismatch'
    if (!isRegistryError(reason, 'STORAGE')) await this.#ingest?.keep().catch(this.#report)
    return 'failed'
  }

  #readableFrom(position: number): number {
    if (this.#ingest === undefined || this.#size === undefined) return position
    if (this.#phase === 'verified') return this.#size
    return Math.min(this.#ingest.filled.filledFrom(position), this.#size - WITHHELD)
  }

  #read(buffer: Buffer, position: number): number | Promise<number> {
    return this.#fetch!.recent.read(buffer, position) || this.#ingest!.read(buffer, position)
  }

  /** The last reader has left. */
  #unread(): void {
    this.#closeWhenUnread()
    if (this.#phase === 'verified') this.#fetch?.recent.clear()
    if (this.#isOver || this.#phase === 'verified') return
    // Its clients give up before such a source has begun. They come again, and are to find it further on.
    if (this.#request.promiseAfter !== undefined && !this.#isConfirmed) return
    this.#wasLeft = true
    this.#giveUpIfUseless()
  }

  #giveUpIfUseless(): void {
    const useless = givesUp(this.#context.policy, {
      filled: this.#filled,
      size: this.#size,
      readers: this.#wasLeft ? this.#readers.count : Infinity,
      isPlaceWanted: this.#context.queue.waiting > 0,
      pace: this.#pace,
    })
    if (useless === 'unread') this.#abort('no readers left')
    if (useless === 'too slow') this.#abort('too slow while other downloads wait', 'UPSTREAM_TIMEOUT')
  }

  #abort(reason: string, code: 'UPSTREAM_UNAVAILABLE' | 'UPSTREAM_TIMEOUT' = 'UPSTREAM_UNAVAILABLE'): void {
    this.#stop.abort(new RegistryError(code, { upstream: this.upstream, reason }))
  }

  /** The file stays open for the readers that have not finished when the download is over. */
  #closeWhenUnread(): void {
    if (!this.#isOver || this.#readers.count > 0) return
    const closing = this.#ingest
    this.#ingest = undefined
    Promise.resolve(closing?.[Symbol.asyncDispose]()).catch(this.#report)
  }
}
