import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import type { Logger } from 'pino'
import { selfCleaning } from './cache/self-cleaning.ts'
import { tieredBlobStore } from './cache/tiered-blob-store.ts'
import type { RunningConfig } from './compose/running-config.ts'
import { openS3 } from './compose/store/s3.ts'
import { DownloadManager } from './download/manager.ts'
import { bucketReport } from './observe/bucket-report.ts'
import { remoteSweeper } from './eviction/remote-sweeper.ts'
import type { Digest } from './oci/digest.ts'
import { isRegistryError } from './oci/errors.ts'
import type { BlobStore } from './ports/blob-store.ts'
import type { ClusterParts } from './cluster-parts.ts'
import { uploadTurns } from './cluster/upload-turns.ts'
import type { BucketReport } from './ports/insight/insight.ts'
import type { RemoteBlobs } from './ports/remote-blobs.ts'
import type { RemoteTelemetry } from './ports/telemetry.ts'
import { watchedBlobs } from './s3/watched-blobs.ts'
import { realFiles } from './storage/files.ts'
import type { FilesystemStore } from './storage/filesystem-store.ts'
import { openUploads, type Uploads } from './storage/uploads.ts'
import { timeBetween } from './util/time-between.ts'

/** The store beyond this replica, and what passes between the two. */
export interface RemoteParts extends AsyncDisposable {
  readonly blobs: RemoteBlobs
  readonly uploads: Pick<Uploads, 'tried' | 'uploaded'>
  /** What is not uploaded yet, and must not be evicted. */
  waiting(): ReadonlySet<Digest>
  /** `tier`, with the remote store behind it. */
  behind(tier: BlobStore): BlobStore
  /** Removes what was purged. */
  purge(digests: readonly Digest[]): Promise<void>
  /** Removes what expired or is too much, once in a while. */
  sweep(): Promise<void>
  /** What the last sweep has found, and what waits or fails now. */
  report(): BucketReport
}

export interface RemotePartsOptions {
  readonly disk: FilesystemStore
  readonly log: Logger
  readonly telemetry: RemoteTelemetry
  /** Of this process. */
  readonly env: NodeJS.ProcessEnv
  /** The other replicas, where there are any. */
  readonly cluster: ClusterParts | undefined
  /** A blob could not be read from the remote store, or written to it. */
  readonly failed: (transfer: object, error: unknown) => void
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Milliseconds between two sweeps at least: each lists the whole bucket. */
const SWEEP_EVERY = 3_600_000
/** Blobs that clients were sent to the bucket for since the last sweep, the latest. */
const MOST_REDIRECTED = 100_000
/** Blobs that are read from the remote store at once, and that wait for their turn. */
const FILLS = { places: 128, queueLength: 10_000, queueTimeout: 10_000 }

/** @returns undefined without `storage.s3` */
export async function buildRemoteParts(
  config: RunningConfig,
  { disk, log, telemetry, env, cluster, failed, now }: RemotePartsOptions,
): Promise<RemoteParts | undefined> {
  const { root, s3 } = config.current.storage
  if (s3 === undefined) return undefined
  await using starting = new AsyncDisposableStack()
  const opened = starting.use(await openS3(s3, { log, telemetry, env }))
  const watched = watchedBlobs(opened.blobs)
  const { blobs: remote, damaged } = selfCleaning(watched.blobs, ignored)
  const uploads = starting.use(
    await openUploads({
      files: realFiles(),
      folder: join(root, 'uploads'),
      open: disk.peek,
      remote,
      turns: cluster && uploadTurns(cluster.leases),
      failed: (digest, error) => failed({ upstream: 's3', digest }, error),
      changed: telemetry.waiting,
    }),
  )
  /** When, in epoch milliseconds. The tier does not know these uses: it may not have the blobs. */
  const redirected = new LRUCache<Digest, number>({ max: MOST_REDIRECTED })
  const sweeper = remoteSweeper({
    remote,
    policy: config.eviction,
    maxSize: s3.maxSize,
    async lastUses(digests) {
      const uses = new Map(await disk.lastUses(digests))
      for (const digest of digests) {
        const elsewhere = redirected.peek(digest) ?? -Infinity
        if (elsewhere > (uses.get(digest) ?? -Infinity)) uses.set(digest, elsewhere)
      }
      return uses
    },
    kept: async () => (await disk.pins.content()).union(await disk.retained()),
    mayRemove: async () => cluster === undefined || cluster.leads('sweep'),
    async removed(digests) {
      await disk.removeLinks(...digests)
      await cluster?.shared.removeAll(digests).catch(ignored)
    },
    now,
  })
  // The first one comes with the first sweep of the cache: until then nobody knows how much there is.
  let sweptAt: number | undefined
  let report = bucketReport(s3.maxSize, undefined)
  const resources = starting.move()
  return {
    blobs: remote,
    uploads,
    waiting: () => uploads.waiting,
    behind(tier) {
      const fills = resources.use(
        new DownloadManager({
          store: tier,
          policy: config.transfers,
          queues: () => FILLS,
          telemetry: { running() {}, waiting() {}, resumed() {} },
          failed(view, error) {
            failed(view, error)
            // It is damaged there: upstream has it intact.
            if (isRegistryError(error, 'UPSTREAM_INVALID')) void damaged(view.digest)
          },
          now: () => performance.now(),
        }),
      )
      return tieredBlobStore({
        tier,
        remote,
        fills,
        committed: ({ digest }) => uploads.add(digest),
        deleting: uploads.cancel,
        damaged,
        remoteFailed: (error) => failed({ upstream: 's3' }, error),
        redirected: ({ digest }) => void redirected.set(digest, now()),
      })
    },
    async purge(digests) {
      await uploads.cancel(digests)
      await remote.delete(...digests).catch(ignored)
    },
    async sweep() {
      if (sweptAt !== undefined && timeBetween(now(), sweptAt) < SWEEP_EVERY) return
      sweptAt = now()
      try {
        const usage = await sweeper.sweep()
        report = bucketReport(s3.maxSize, { ...usage, at: now() })
        telemetry.swept(usage.bytes, usage.keptBytes, s3.maxSize)
        log.info(usage, 'swept storage.s3')
        if (report.trouble)
          log.warn({ ...usage, maxSize: s3.maxSize, ...report.trouble }, 'storage.s3 is above its limit')
      } catch (error) {
        if (report.sweptAt === null) sweptAt = undefined
        failed({ upstream: 's3' }, error)
      }
    },
    report: () => ({
      ...report,
      waitingUploads: uploads.waiting.size,
      trouble: watched.trouble ?? report.trouble,
    }),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }

  function ignored(error: unknown): void {
    failed({ upstream: 's3' }, error)
  }
}
