import { setTimeout as delay } from 'node:timers/promises'
import { isRegistryError } from '../oci/errors.ts'
import type { Destination } from '../ports/moving/destination.ts'
import type { UploadSources } from '../ports/moving/upload-sources.ts'
import { mutex } from '../util/async/mutex.ts'
import { untilAborted } from '../util/async/until-aborted.ts'
import { knownSources } from './known-sources.ts'
import { LimitGate } from './limit-gate.ts'
import { Slots } from './slots.ts'
import { Upload, type UploadContext } from './upload.ts'
import { retryIn, type UploadPolicy } from './upload-policy.ts'
import type { UploadRequest, UploadView } from './upload-request.ts'
import type { UploadOutcome } from './upload-state.ts'

export interface UploadManagerOptions {
  readonly policy: UploadPolicy
  readonly memory: UploadSources
  /** How many uploads to one destination may run at once. Asked each time. */
  readonly uploads: () => number
  /** The memory of sources has failed. */
  readonly failed: (error: unknown) => void
  /** Monotonic milliseconds. */
  readonly now?: () => number
  readonly random?: () => number
}

/** Kept of destinations that nothing is sent to any more. */
const MOST_CONTEXTS = 100

/** Runs one upload per repository of a destination and digest, however many jobs want it. */
export class UploadManager implements AsyncDisposable {
  readonly #options: UploadManagerOptions
  readonly #running = new Map<string, Upload>()
  /** By destination and digest: the upload that the others of the same bytes wait for. */
  readonly #first = new Map<string, Upload>()
  readonly #contexts = new Map<string, UploadContext>()

  constructor(options: UploadManagerOptions) {
    this.#options = options
  }

  /**
   * Sees to it that the repository has the blob: joins the upload that runs, or starts one. When the signal
   * aborts, this caller wants it no more; the upload goes on for others.
   *
   * @throws RegistryError why it could not be sent, or the signal's reason
   */
  async upload(request: UploadRequest, signal?: AbortSignal): Promise<UploadOutcome> {
    const key = `${request.destination.key} ${request.repository} ${request.digest}`
    for (;;) {
      signal?.throwIfAborted()
      const running = this.#running.get(key)
      if (running === undefined) return this.#start(key, request).wanted(signal)
      if (running.isJoinable) return running.wanted(signal)
      // Nobody wanted it, and its session is being abandoned.
      await untilAborted(running.ended, signal)
    }
  }

  /**
   * Sends a request to a destination, and again after failures that may pass, as uploads do.
   *
   * @param task is safe to repeat
   */
  async attempt<T>(destination: Destination, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { policy, random, limits } = this.#contextOf(destination.key)
    for (let failures = 1; ; failures++) {
      await limits.pass(signal)
      try {
        return await task()
      } catch (error) {
        signal?.throwIfAborted()
        const wait = retryIn(policy, error, failures, random())
        if (wait === undefined) throw error
        if (isRegistryError(error, 'UPSTREAM_LIMITED')) limits.close(wait)
        else await delay(wait, undefined, { signal })
      }
    }
  }

  /** Whether the repository is remembered to have this content. */
  async isKnown(request: Pick<UploadRequest, 'destination' | 'repository' | 'digest'>): Promise<boolean> {
    return (await this.#contextOf(request.destination.key).known.of(request)).isKnown
  }

  /** Remembers that the repository has this content. */
  async remember(request: Pick<UploadRequest, 'destination' | 'repository' | 'digest'>): Promise<void> {
    await this.#contextOf(request.destination.key).known.add(request)
  }

  /** Runs a task that reads something at the destination and writes it anew, one at a time. */
  alone<T>(destination: Destination, task: () => Promise<T>): Promise<T> {
    return this.#contextOf(destination.key).alone(task)
  }

  /** Is fulfilled when the uploads to a destination that nobody wants any more have told it so. */
  async settled({ key }: Destination): Promise<void> {
    const left = [...this.#running.values()].filter(
      (upload) => upload.request.destination.key === key && !upload.isJoinable,
    )
    await Promise.all(left.map(({ ended }) => ended))
  }

  list(): readonly UploadView[] {
    return [...this.#running.values()].map(({ view }) => view)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const uploads = [...this.#running.values()]
    for (const upload of uploads) upload.cancel()
    await Promise.all(uploads.map(({ ended }) => ended))
  }

  #start(key: string, request: UploadRequest): Upload {
    const upload = new Upload(request, this.#contextOf(request.destination.key))
    this.#running.set(key, upload)
    void upload.ended.then(() => this.#running.delete(key))
    return upload
  }

  #contextOf(destination: string): UploadContext {
    const known = this.#contexts.get(destination)
    if (known !== undefined) return known
    const {
      policy,
      memory,
      uploads,
      failed,
      now = () => performance.now(),
      random = Math.random,
    } = this.#options
    const slots = new Slots(uploads)
    const context: UploadContext = {
      policy,
      known: knownSources(memory, failed),
      limits: new LimitGate(now),
      learnt: { chunk: Infinity, takesChunks: true },
      random,
      alone: mutex(),
      enter: async (upload, signal) => {
        await this.#sameBytes(`${destination} ${upload.request.digest}`, upload, signal)
        return slots.enter(signal)
      },
    }
    this.#forgetIdle()
    this.#contexts.set(destination, context)
    return context
  }

  /**
   * Waits while the same bytes are on their way to another repository of the destination: they can be mounted
   * from there. When they did not arrive, the next one sends them.
   */
  async #sameBytes(key: string, upload: Upload, signal: AbortSignal): Promise<void> {
    for (let first; (first = this.#first.get(key)) !== undefined;) {
      const end = await untilAborted(first.ended, signal)
      if ('outcome' in end) return
    }
    this.#first.set(key, upload)
    void upload.ended.then(() => this.#first.delete(key))
  }

  #forgetIdle(): void {
    if (this.#contexts.size < MOST_CONTEXTS) return
    const used = new Set([...this.#running.values()].map(({ request }) => request.destination.key))
    for (const key of this.#contexts.keys()) if (!used.has(key)) this.#contexts.delete(key)
  }
}
