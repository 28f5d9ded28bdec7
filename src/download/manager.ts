import type { Digest } from '../oci/digest.ts'
import { isRegistryError, RegistryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { BlobReader, BlobStore, OpenedBlob, WrappedReader } from '../ports/blob-store.ts'
import type { ReadOptions } from '../ports/read-options.ts'
import type { DownloadTelemetry } from '../ports/telemetry.ts'
import type { DownloadContext, DownloadView } from './download-context.ts'
import { Download } from './download.ts'
import type { DownloadPolicy } from './download-policy.ts'
import type { DownloadRequest } from './download-request.ts'
import { failureBackoff, type FailureBackoff } from './failure-backoff.ts'
import { Heartbeat } from './heartbeat.ts'
import { passThrough } from './pass-through.ts'
import { queue, type QueueLimits } from './queue.ts'

export interface DownloadManagerOptions {
  readonly store: BlobStore
  readonly policy: DownloadPolicy
  /** How many downloads of an upstream may run at once, and wait. Asked each time. */
  readonly queues: (upstream: string) => QueueLimits
  readonly telemetry: DownloadTelemetry
  /** Starts a download, and watches it. Omitted: nobody does. */
  readonly started?: <T extends Pick<Download, 'ended'>>(
    repository: RepositoryName,
    digest: Digest,
    start: () => T,
  ) => T
  /** A download, or a part of its clean-up, has failed. */
  readonly failed: (view: DownloadView, error: unknown) => void
  /** Monotonic milliseconds. */
  readonly now: () => number
}

interface FollowOptions {
  readonly size?: number | undefined
  readonly signal?: AbortSignal
}

interface Running {
  /** The name of the repository that started it. */
  readonly startedBy: string
  readonly download: Download
}

/** Runs one download per upstream and digest, and a limited number of downloads per upstream. */
export class DownloadManager implements AsyncDisposable {
  readonly #options: DownloadManagerOptions
  readonly #running = new Map<string, Running>()
  /** Running downloads by upstream. */
  readonly #counts = new Map<string, number>()
  readonly #contexts = new Map<string, DownloadContext>()
  readonly #heartbeat = new Heartbeat()
  readonly #committing = new Set<object>()
  readonly #backoff: FailureBackoff

  constructor(options: DownloadManagerOptions) {
    this.#options = options
    this.#backoff = failureBackoff(options.now)
  }

  /**
   * Subscribes to the running download of this upstream and digest, or starts one.
   *
   * @returns undefined when upstream does not have the blob, or does not let this repository read it.
   */
  async subscribe(request: DownloadRequest, options: ReadOptions = {}): Promise<OpenedBlob | undefined> {
    const { repository, digest } = request
    const key = `${repository.upstream} ${digest}`
    for (;;) {
      const running = this.#running.get(key)
      if (running === undefined) {
        const reader = await this.#start(key, request).subscribe(request.expectedSize, options.signal)
        options.report?.({ result: 'miss', forwardStatus: 200, stored: true })
        return reader
      }
      const isOwn = running.startedBy === repository.name
      if (!isOwn && !(await request.mayRead())) return undefined
      const reader = await this.#join(running.download, request, isOwn, options.signal)
      if (reader === 'ask again') continue
      if (reader !== undefined) options.report?.({ result: 'collapsed' })
      return reader
    }
  }

  /**
   * Reads from the source for one reader and stores nothing: for when the store has failed or has no room.
   */
  async bypass(
    request: DownloadRequest,
    { signal, report }: ReadOptions = {},
  ): Promise<BlobReader | undefined> {
    const place = await this.#contextOf(request.repository.upstream).queue.enter(request.client, signal)
    const reader = await passThrough(request, signal).catch((error: unknown) => {
      place[Symbol.dispose]()
      throw error
    })
    report?.({ result: 'miss', forwardStatus: 200, stored: false })
    if (reader === undefined) place[Symbol.dispose]()
    return reader && disposingWith(reader, place)
  }

  /**
   * Subscribes to a download that runs, for a reader that may read it, and expects `size` bytes if it knows.
   *
   * @returns undefined when there is none
   */
  async follow(
    upstream: string,
    digest: Digest,
    { size, signal }: FollowOptions = {},
  ): Promise<BlobReader | undefined> {
    const running = this.#running.get(`${upstream} ${digest}`)
    return running?.download.isJoinable ? running.download.subscribe(size, signal) : undefined
  }

  /** Bytes of a blob whose download is being committed; undefined where there is none. */
  verifiedSize(upstream: string, digest: Digest): number | undefined {
    return this.#running.get(`${upstream} ${digest}`)?.download.verifiedSize
  }

  list(): readonly DownloadView[] {
    return [...this.#running.values()].map(({ download }) => download.view)
  }

  /** Is fulfilled when the download of this blob that runs now has ended: it is stored, or is not going to be. */
  async ended(upstream: string, digest: Digest): Promise<void> {
    await this.#running.get(`${upstream} ${digest}`)?.download.ended
  }

  /** Is fulfilled when the downloads of an upstream that run now have ended. */
  async settled(upstream: string): Promise<void> {
    const downloads = [...this.#running.values()].map(({ download }) => download)
    await Promise.all(
      downloads.filter((download) => download.upstream === upstream).map(({ ended }) => ended),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const downloads = [...this.#running.values()].map(({ download }) => download)
    await Promise.all(downloads.map((download) => download[Symbol.asyncDispose]()))
  }

  /**
   * Subscribes to a running download, or opens what it has committed when it is about to end. A refusal of
   * the repository that started it says nothing about another repository, and neither does an answer that
   * contradicts the size in a manifest of the former.
   */
  async #join(
    download: Download,
    { digest, expectedSize }: DownloadRequest,
    isOwn: boolean,
    signal: AbortSignal | undefined,
  ): Promise<OpenedBlob | undefined | 'ask again'> {
    if (download.isJoinable) {
      try {
        const reader = await download.subscribe(expectedSize, signal)
        if (reader !== undefined || isOwn) return reader
      } catch (error) {
        if (isOwn || !isRegistryError(error, 'UPSTREAM_DENIED', 'UPSTREAM_INVALID')) throw error
      }
    }
    // After another outcome the store may have the blob from another upstream, which proves nothing about
    // this one.
    if ((await download.ended) !== 'committed') return 'ask again'
    return (await this.#options.store.open(digest)) ?? 'ask again'
  }

  #start(key: string, request: DownloadRequest): Download {
    const { upstream, name } = request.repository
    // Manifests of other repositories may state another size: whether the blob fails may depend on that alone.
    const failing = `${key} ${request.expectedSize}`
    if (this.#backoff.isBackingOff(failing)) {
      throw new RegistryError('UPSTREAM_INVALID', { upstream, digest: request.digest })
    }
    // A download that is refused at once would cost many times what the refusal does.
    this.#contextOf(upstream).queue.refuseIfFull(request.client)
    const start = () => new Download(request, this.#contextOf(upstream))
    const { started } = this.#options
    const download = started ? started(request.repository, request.digest, start) : start()
    this.#running.set(key, { startedBy: name, download })
    this.#count(upstream, 1)
    void download.ended.then((outcome) => {
      this.#running.delete(key)
      this.#count(upstream, -1)
      if (outcome === 'mismatch') this.#backoff.failed(failing)
      if (outcome === 'committed') this.#backoff.succeeded(failing)
    })
    return download
  }

  #count(upstream: string, change: 1 | -1): void {
    const running = (this.#counts.get(upstream) ?? 0) + change
    this.#counts.set(upstream, running)
    this.#options.telemetry.running(upstream, running)
  }

  #contextOf(upstream: string): DownloadContext {
    const known = this.#contexts.get(upstream)
    if (known !== undefined) return known
    const { store, policy, queues, telemetry, failed } = this.#options
    const context = {
      store,
      policy,
      failed,
      heartbeat: this.#heartbeat,
      committing: this.#committing,
      queue: queue({
        upstream,
        get places() {
          return queues(upstream).places
        },
        get queueLength() {
          return queues(upstream).queueLength
        },
        get queueTimeout() {
          return queues(upstream).queueTimeout
        },
        changed: (count) => telemetry.waiting(upstream, count),
      }),
      resumed: () => telemetry.resumed(upstream),
    }
    this.#contexts.set(upstream, context)
    return context
  }
}

/** `reader`, whose disposal also disposes `companion`. */
function disposingWith(reader: BlobReader, companion: Disposable): BlobReader {
  return {
    descriptor: reader.descriptor,
    isPromised: reader.isPromised,
    get sharing() {
      return reader.sharing
    },
    file: reader.file,
    location: reader.location,
    read: (buffer, position) => reader.read(buffer, position),
    lend: reader.lend && ((position) => reader.lend!(position)),
    reread: reader.reread && ((buffer, position) => reader.reread!(buffer, position)),
    async [Symbol.asyncDispose]() {
      companion[Symbol.dispose]()
      await reader[Symbol.asyncDispose]()
    },
  } satisfies WrappedReader
}
