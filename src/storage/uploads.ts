import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { type Digest, isDigest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { BlobReader } from '../ports/blob-store.ts'
import type { RemoteBlobs } from '../ports/remote-blobs.ts'
import type { Files } from './files.ts'

export interface Uploads extends AsyncDisposable {
  /** A blob was committed and is to be uploaded. */
  add(digest: Digest): void
  /** These are about to be deleted. Settles when no upload of them runs. */
  cancel(digests: readonly Digest[]): Promise<void>
  /** Settles when this blob is uploaded, or was tried once in vain. At once for a blob that does not wait. */
  tried(digest: Digest): Promise<void>
  /** Settles when this blob is uploaded or given up, or after half a minute of failures. */
  uploaded(digest: Digest): Promise<void>
  /** What is not uploaded yet, and must not be evicted. */
  readonly waiting: ReadonlySet<Digest>
}

export interface UploadsOptions {
  readonly files: Files
  /** A folder for one empty file for each blob that waits, so that they are known after a crash. */
  readonly folder: string
  /** Opens a blob of the store, which is no use of it. */
  readonly open: (digest: Digest) => Promise<BlobReader | undefined>
  readonly remote: RemoteBlobs
  /** An upload failed, and is tried again; or the blob is damaged and was given up. */
  readonly failed: (digest: Digest, error: unknown) => void
  /** So many wait now. */
  readonly changed: (waiting: number) => void
}

interface Job {
  readonly digest: Digest
  readonly marked: Promise<void>
  readonly tried: PromiseWithResolvers<void>
  readonly over: PromiseWithResolvers<void>
  readonly cancelled: AbortController
  /** Settles when it is over; undefined before it begins. */
  running?: Promise<void>
}

/** Each has one part in memory. */
const AT_ONCE = 4
/** Milliseconds before an upload that failed is tried again, at first and at most. */
const RETRY_FIRST = 500
const RETRY_MOST = 15_000
/** Milliseconds that somebody waits for an upload that fails again and again. */
const PATIENCE = 30_000

/** Uploads what was committed, in the background, until it is there. */
export async function openUploads(options: UploadsOptions): Promise<Uploads> {
  const { files, folder, open, remote, failed, changed } = options
  const stop = new AbortController()
  const jobs = new Map<Digest, Job>()
  const queue: Job[] = []
  const workers = new Set<Promise<void>>()
  await files.makeFolder(folder)
  for (const { name } of await files.list(folder)) {
    const digest = name.replace('-', ':')
    if (isDigest(digest)) enqueue(digest, Promise.resolve())
  }

  return {
    add(digest) {
      if (jobs.has(digest)) return
      enqueue(
        digest,
        files.writeText(markerOf(digest), '').catch((error: unknown) => failed(digest, error)),
      )
    },
    async cancel(digests) {
      for (const digest of digests) {
        const job = jobs.get(digest)
        job?.cancelled.abort()
        await job?.running
      }
    },
    tried: (digest) => jobs.get(digest)?.tried.promise ?? Promise.resolve(),
    async uploaded(digest) {
      const job = jobs.get(digest)
      if (job === undefined) return
      using waiting = new DisposableStack()
      const patience = Promise.withResolvers<void>()
      waiting.adopt(setTimeout(patience.resolve, PATIENCE).unref(), clearTimeout)
      await Promise.race([job.over.promise, patience.promise])
    },
    get waiting() {
      return new Set(jobs.keys())
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await Promise.all(workers)
      for (const { tried, over, marked } of jobs.values()) {
        await marked
        tried.resolve()
        over.resolve()
      }
    },
  }

  function markerOf(digest: Digest): string {
    return join(folder, digest.replace(':', '-'))
  }

  function enqueue(digest: Digest, marked: Promise<void>): void {
    const [tried, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const job = { digest, marked, tried, over, cancelled: new AbortController() }
    jobs.set(digest, job)
    changed(jobs.size)
    queue.push(job)
    if (workers.size >= AT_ONCE) return
    const worker = work().finally(() => workers.delete(worker))
    workers.add(worker)
  }

  async function work(): Promise<void> {
    for (let job = queue.shift(); job !== undefined && !stop.signal.aborted; job = queue.shift()) {
      job.running = upload(job)
      await job.running
    }
  }

  async function upload({ digest, marked, tried, over, cancelled }: Job): Promise<void> {
    const signal = AbortSignal.any([stop.signal, cancelled.signal])
    await marked
    for (let wait = RETRY_FIRST; !signal.aborted; wait = Math.min(RETRY_MOST, wait * 2)) {
      try {
        await send(digest, signal)
        break
      } catch (error) {
        if (signal.aborted) break
        failed(digest, error)
        tried.resolve()
        // A damaged blob does not become better.
        if (!isRegistryError(error) || error.code === 'STORAGE') break
        await sleep(wait * (0.5 + Math.random()), undefined, { signal }).catch(() => {})
      }
    }
    // It goes on after the next start.
    if (stop.signal.aborted) return
    await files.remove(markerOf(digest)).catch((error: unknown) => failed(digest, error))
    jobs.delete(digest)
    changed(jobs.size)
    tried.resolve()
    over.resolve()
  }

  async function send(digest: Digest, signal: AbortSignal): Promise<void> {
    await using reader = await open(digest)
    if (reader === undefined || (await remote.stat(digest, signal)) !== undefined) return
    await remote.put(reader, signal)
  }
}
