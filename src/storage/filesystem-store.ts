import type { ImageCatalogue, Inspect, Verify } from '../ports/operations.ts'
import type { ImageName, ImagePattern } from '../oci/image-pattern.ts'
import type { Digest } from '../oci/digest.ts'
import type {
  ContentInventory,
  LinkIndex,
  ReferenceIndex,
  TagHistory,
  TagIndex,
  TagPast,
  TagNames,
  TagPeek,
  TagUses,
  UpstreamInventory,
} from '../ports/metadata.ts'
import type { BlobReader, BlobStore } from '../ports/blob-store.ts'
import type { UsedSince } from '../ports/drill.ts'
import type { SavingsLog } from '../ports/savings.ts'
import type { MovesSince, Retention, Runs, SeenAt, TrustedDigests } from '../ports/time.ts'
import type { StoreTelemetry } from '../ports/telemetry.ts'
import type { UploadSources } from '../ports/upload-sources.ts'
import { type AdoptFile, createAdopt } from './adopt/adopt-file.ts'
import { createCatalogue } from './operations/image-catalogue.ts'
import { fileBlobStore, type VerifyReads } from './blobs/file-blob-store.ts'
import { type Files, realFiles } from './files.ts'
import { accessProblem } from './access-problem.ts'
import { type LockWait, isInUse } from './lock.ts'
import { clockStep, recordClock } from './clock-record.ts'
import { beginSession } from './session.ts'
import { openFolder, restoreFolder } from './store-folder.ts'
import { restrictFiles } from './restrict-files.ts'
import { partials as openPartials, type SweepLimits } from './blobs/partials.ts'
import { type Paths, paths as pathsOf } from './paths.ts'
import { inSlices } from './index/in-slices.ts'
import { storedUpstreams } from './operations/stored-upstreams.ts'
import { recordUrls } from './operations/upstream-urls.ts'
import { type Pins, pins } from './operations/pins.ts'
import { rebuildContent } from './rebuild.ts'
import { savingsIndex } from './index/savings-index.ts'
import { sqliteIndex } from './index/sqlite-index.ts'
import { movesSince } from './index/tags/tag-moves.ts'
import { runLog } from './index/tags/runs.ts'
import { seenAt } from './index/tags/seen-at.ts'
import { trustedDigests } from './index/tags/trusted-digests.ts'
import { uploadSources } from './pushes/upload-sources.ts'
import { storageOperation, ignoreStorageError, ignoreNotFound } from './storage-operation.ts'
import { imagesOf } from './operations/images-of.ts'
import { usedSince } from './operations/used-since.ts'
import { type RetainedContent, retainedContent } from './operations/retained.ts'
import { createInspect } from './operations/inspect.ts'
import type { Forgotten } from './operations/purge.ts'
import { createOffload, type Offload } from './operations/offload.ts'
import { createVerify } from './operations/verify.ts'

export interface FilesystemStore {
  readonly blobs: BlobStore<BlobReader>
  readonly inventory: ContentInventory
  readonly ofUpstreams: UpstreamInventory
  /** Opens content, which is no use of it. */
  peek(digest: Digest): Promise<BlobReader | undefined>
  readonly offload: Offload
  /** Removes damaged content, and counts it. */
  discard(digest: Digest): Promise<void>
  readonly links: LinkIndex
  readonly references: ReferenceIndex
  readonly tags: TagIndex & TagUses & TagHistory & TagPast & TagPeek & TagNames
  readonly catalogue: ImageCatalogue
  readonly pins: Pick<Pins, 'list' | 'add' | 'remove' | 'content'>
  readonly verify: Verify
  /** Takes over a file that another program stored. */
  readonly adopt: AdoptFile
  readonly inspect: Inspect
  /** The images that some of this content is. */
  imagesOf(digests: readonly Digest[]): Promise<readonly ImageName[]>
  readonly savings: SavingsLog
  /** @see recordUrls @throws RegistryError STORAGE */
  recordUrls(urls: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, number>>
  readonly trusted: TrustedDigests
  readonly uploadSources: UploadSources
  readonly movesSince: MovesSince
  /** When content was last used, in epoch milliseconds, of those of `digests` that are stored. */
  lastUses(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, number>>
  /** Removes the links of content that is not stored. */
  removeLinks(...digests: readonly Digest[]): Promise<void>
  readonly seenAt: SeenAt
  /** The content that the rules of `retained` keep, at most a few seconds old. */
  readonly retained: () => Promise<ReadonlySet<Digest>>
  readonly usedSince: UsedSince
  readonly runs: Runs
  /** The upstreams of which something is stored. */
  upstreams(): Promise<readonly string[]>
  /** Removes unfinished downloads beyond these limits. */
  sweepPartials(limits: SweepLimits): Promise<void>
  /**
   * Removes the oldest unfinished downloads until so many bytes are free. @returns how many bytes were freed
   */
  evictPartials(bytes: number): Promise<number>
  /** `now` has followed a step of the wall clock. */
  clockStepped(milliseconds: number): Promise<void>
  /** Checks that the store is writable, by writing a file and removing it. @throws when it is not */
  probe(): Promise<void>
  close(): Promise<void>
}

export interface FilesystemStoreOptions {
  readonly root: string
  readonly telemetry: StoreTelemetry
  /** The patterns that the configuration pins. */
  readonly pinned?: readonly ImagePattern[]
  /** Bytes that upstreams may take, by name. For reports: the evictor keeps to it. */
  readonly shares?: () => ReadonlyMap<string, number>
  /**
   * Called when the files are searched for content that the index does not know, because the index is new or
   * the last process was killed.
   */
  readonly rebuilding?: () => void
  /** Links outlive content that is evicted, because it is elsewhere too. */
  readonly keepLinks?: boolean
  /** Content was purged. What else has it is to remove it too. */
  readonly purged?: (digests: readonly Digest[]) => Promise<void>
  /** Images of which the past is kept, and for how long. Left out: none. */
  readonly retained?: () => readonly Retention[]
  /** Milliseconds that a run is kept, from its first choice on. Left out: for a week. */
  readonly keepRuns?: () => number
  /** Tags and links were purged, as of `purged`. */
  readonly forgotten?: (forgotten: Forgotten) => Promise<void>
  /** Which reads are verified. */
  readonly verify?: VerifyReads
  /** Called with content that is removed because it is damaged. */
  readonly corrupt?: (digest: Digest) => void
  /** How long to wait for another process to close the store. Left out: not at all. */
  readonly lockWait?: LockWait
  readonly files?: Files
  /**
   * The wall clock, where `now` does not follow it at once. The store then moves its instants when it was
   * set.
   */
  readonly wall?: () => number
  /** Epoch milliseconds. */
  readonly now?: () => number
}

const WEEK = 7 * 86_400_000
/** Changes at every boot of the machine (random(4)). Linux only. */
const BOOT_ID = '/proc/sys/kernel/random/boot_id'

/**
 * Opens the store in a folder.
 *
 * @throws Error when another process has it open, it has another format, or it is not writable
 */
export async function filesystemStore(options: FilesystemStoreOptions): Promise<FilesystemStore> {
  const paths = pathsOf(options.root)
  try {
    return await open(paths, options)
  } catch (error) {
    const problem = isInUse(error) ? undefined : await accessProblem(paths)
    throw problem === undefined ? error : new Error(problem, { cause: error })
  }
}

async function open(paths: Paths, options: FilesystemStoreOptions): Promise<FilesystemStore> {
  const { telemetry, pinned = [], files = realFiles(), now = Date.now } = options
  const { lockWait = { timeout: 0, waiting() {} } } = options
  const run = storageOperation(telemetry)
  const { lock, wasOpen } = await openFolder(files, paths, lockWait)
  try {
    const boot = await files.readText(BOOT_ID).catch(ignoreNotFound)
    const partials = openPartials(files, paths, boot?.trim())
    await partials.recover()
    let closed = false
    let isComplete = true
    let rebuilt = Promise.resolve()
    const rebuild = (): void => {
      isComplete = false
      rebuilt = rebuilt.then(async () => {
        options.rebuilding?.()
        isComplete = await rebuildContent({
          files,
          paths,
          content,
          run,
          telemetry,
          stopped: () => closed,
        })
      })
    }
    const { retained: rules = () => [] } = options
    let retaining: RetainedContent | undefined
    const index = sqliteIndex({
      file: paths.index,
      run,
      telemetry,
      pinned,
      retained: rules,
      moved: (digest) => retaining?.moved(digest),
      ...(options.keepLinks && { keepLinks: true }),
      now,
      emptied: rebuild,
    })
    const { content, links, references, tags } = index
    const { query, changeAll } = index.access
    const { before } = await beginSession(query)
    if ((lock.wasAbandoned || before !== lock.lastSession) && isComplete) rebuild()
    const clocks = options.wall && { now, wall: options.wall, boot: boot?.trim() }
    const clockStepped = async (step: number): Promise<void> => {
      if (step > 0) await index.shiftInstants({ milliseconds: step, until: now() - step }, () => closed)
      else await index.clampInstants(() => closed)
      if (clocks && !closed) await recordClock(query, files, clocks)
    }
    let clamped = (async () => {
      const step = clocks ? await clockStep(query, files, clocks) : 0
      if (step > 0) await clockStepped(step)
      await index.clampInstants(() => closed)
      if (clocks && step <= 0 && !closed) await recordClock(query, files, clocks)
    })().catch(ignoreStorageError)
    const restricted = wasOpen
      ? run('restrict', () => restrictFiles(files, paths, () => closed)).catch(ignoreStorageError)
      : undefined
    const { verify = 'never', corrupt = () => {}, keepRuns = () => WEEK } = options
    const shared = { files, paths, partials, content, run, telemetry, verify, corrupt }
    const store = fileBlobStore({ ...shared, indexBytes: () => index.bytes })
    retaining = retainedContent({ query, read: index.reader.read, rules, now })
    const { current: retained } = retaining
    const pinning = pins({ query, configured: pinned, now })

    return {
      blobs: store,
      inventory: store,
      ofUpstreams: index.ofUpstreams,
      peek: store.peek,
      offload: createOffload({ query, totals: content.totals, peek: store.peek }),
      discard: store.discard,
      links,
      references,
      tags,
      catalogue: createCatalogue({
        query,
        changeAll,
        read: index.reader.read,
        inventory: store,
        pinned,
        shares: options.shares ?? (() => new Map()),
        blobs: {
          async delete(...digests) {
            await store.delete(...digests)
            await options.purged?.(digests)
          },
        },
        forgotten: options.forgotten,
        telemetry,
        retained: async () => {
          if (rules().length === 0) return undefined
          const { objects, bytes, missing } = await retained()
          return { objects, bytes, missing }
        },
        flush: index.flush,
      }),
      pins: pinning,
      adopt: createAdopt({ files, paths, content, blobs: store }),
      verify: createVerify({ files, paths, query, totals: content.totals, discard: store.discard }),
      savings: savingsIndex({ query, changeAll }),
      trusted: trustedDigests(index.access),
      uploadSources: uploadSources(index.access, now),
      movesSince: movesSince(query),
      seenAt: seenAt(index.reader.read),
      retained: async () => (await retained()).content,
      usedSince: usedSince({ read: index.reader.read, flush: index.flush }),
      runs: runLog({ ...index.access, keep: keepRuns, now }),
      inspect: createInspect({ files, paths, query }),
      imagesOf: imagesOf(query),
      recordUrls: (urls) => recordUrls(index.access.transact, urls, now),
      lastUses: content.lastUses,
      removeLinks: content.removeLinks,
      upstreams: () => inSlices(query, storedUpstreams),
      sweepPartials: (limits) => run('sweep', () => partials.sweep(limits, now())),
      evictPartials: (bytes) => run('sweep', () => partials.evict(bytes)),
      clockStepped(milliseconds) {
        clamped = clamped.then(() => clockStepped(milliseconds)).catch(ignoreStorageError)
        return clamped
      },
      async probe() {
        await restoreFolder(files, paths)
        const path = `${paths.ingest}/probe`
        try {
          await files.writeText(path, 'entrepot')
        } finally {
          await files.remove(path)
        }
      },
      async close() {
        if (closed) return rebuilt
        closed = true
        await Promise.all([rebuilt, clamped, restricted])
        if (clocks) await recordClock(query, files, clocks).catch(ignoreStorageError)
        const ended = await beginSession(query).catch(ignoreStorageError)
        try {
          await index.close()
        } finally {
          lock.release({ unfinished: !isComplete, ...(ended && { session: ended.session }) })
        }
      },
    }
  } catch (error) {
    lock.release({ unfinished: true })
    throw error
  }
}
