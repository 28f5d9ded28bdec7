import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { type Digest, isDigest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { BlobReader } from '../ports/blob-store.ts'
import type { UploadTurns } from '../ports/cluster.ts'
import type { RemoteBlobs } from '../ports/remote-blobs.ts'
import { limiter } from '../util/async/limiter.ts'
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
  /** Omitted: there are no other replicas. */
  readonly turns?: UploadTurns | undefined
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
  /** Settles when it stops; undefined while it waits. */
  running?: Promise<unknown> | undefined
}

/** Each has one part in memory. */
const AT_ONCE = 4
/** Milliseconds before an upload that failed is tried again, at first and at most. */
const RETRY_FIRST = 500
const RETRY_MOST = 15_000
/** Bytes of a blob that takes several requests. A smaller one is sent twice sooner than it is asked who does. */
const LARGE = 8 * 1024 * 1024
/** Milliseconds between two looks whether another replica has uploaded a blob, or has stopped to. */
const LOOK_EVERY = 1_000
/** Milliseconds that somebody waits for an upload that fails again and again. */
const PATIENCE = 30_000

/** Uploads what was committed, in the background, until it is there. */
export async function openUploads(options: UploadsOptions): Promise<Uploads> {
  const { files, folder, open, remote, turns, failed, changed } = options
  const stop = new AbortController()
  const jobs = new Map<Digest, Job>()
  const uploading = new Set<Promise<void>>()
  const inTurn = limiter(AT_ONCE)
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
        if (job === undefined) continue
        job.cancelled.abort()
        await job.running
        await end(job)
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
      await Promise.all(uploading)
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
    const upload = uploadOf(job).finally(() => uploading.delete(upload))
    uploading.add(upload)
  }

  async function uploadOf(job: Job): Promise<void> {
    const signal = AbortSignal.any([stop.signal, job.cancelled.signal])
    await job.marked
    const attempt = async (): Promise<boolean> => {
      const running = attempts(job, signal)
      job.running = running
      const isOver = await running
      job.running = undefined
      return isOver
    }
    // Others have their turn while another replica uploads this one.
    while (!(await inTurn(attempt))) await pause(LOOK_EVERY, signal)
    // It goes on after the next start.
    if (!stop.signal.aborted) await end(job)
  }

  /** @returns false while another replica uploads it */
  async function attempts({ digest, tried }: Job, signal: AbortSignal): Promise<boolean> {
    for (let wait = RETRY_FIRST; !signal.aborted; wait = Math.min(RETRY_MOST, wait * 2)) {
      try {
        return await send(digest, signal)
      } catch (error) {
        if (signal.aborted) break
        failed(digest, error)
        tried.resolve()
        // A damaged blob does not become better.
        if (!isRegistryError(error) || error.code === 'STORAGE') break
        await pause(wait, signal)
      }
    }
    return true
  }

  async function end(job: Job): Promise<void> {
    const { digest, tried, over } = job
    // It may have been cancelled, and begun again.
    if (jobs.get(digest) !== job) return
    jobs.delete(digest)
    changed(jobs.size)
    await files.remove(markerOf(digest)).catch((error: unknown) => failed(digest, error))
    tried.resolve()
    over.resolve()
  }

  /** @returns false while another replica uploads it */
  async function send(digest: Digest, signal: AbortSignal): Promise<boolean> {
    await using reader = await open(digest)
    if (reader === undefined) return true
    const isShared = turns !== undefined && reader.descriptor.size > LARGE
    if (isShared && !(await turns.take(digest))) return false
    try {
      if ((await remote.stat(digest, signal)) === undefined) await remote.put(reader, signal)
      return true
    } finally {
      if (isShared) await turns.give(digest)
    }
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds * (0.5 + Math.random()), undefined, { signal }).catch(() => {})
}
