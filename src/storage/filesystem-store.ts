import { join } from 'node:path'
import type { ImageCatalogue, Verify } from '../ports/operations.ts'
import type { ImagePattern } from '../oci/image-pattern.ts'
import { ALGORITHMS, type Digest } from '../oci/digest.ts'
import type {
  ContentInventory,
  LinkIndex,
  ReferenceIndex,
  TagHistory,
  TagIndex,
  TagUses,
} from '../ports/metadata.ts'
import type { BlobReader, BlobStore } from '../ports/blob-store.ts'
import type { StoreTelemetry } from '../ports/telemetry.ts'
import { createCatalogue } from './operations/image-catalogue.ts'
import { fileBlobStore, type VerifyReads } from './blobs/file-blob-store.ts'
import { type Files, realFiles } from './files.ts'
import { checkFormat } from './format.ts'
import { acquireLock } from './lock.ts'
import { partials as openPartials, type SweepLimits } from './blobs/partials.ts'
import { paths as pathsOf } from './paths.ts'
import { type Pins, pins } from './operations/pins.ts'
import { rebuildContent } from './rebuild.ts'
import { sqliteIndex } from './index/sqlite-index.ts'
import { storageOperation, ignoreStorageError, ignoreNotFound } from './storage-operation.ts'
import { createVerify } from './operations/verify.ts'

export interface FilesystemStore {
  readonly blobs: BlobStore<BlobReader>
  readonly inventory: ContentInventory
  /** Removes damaged content, and counts it. */
  discard(digest: Digest): Promise<void>
  readonly links: LinkIndex
  readonly references: ReferenceIndex
  readonly tags: TagIndex & TagUses & TagHistory
  readonly catalogue: ImageCatalogue
  readonly pins: Pick<Pins, 'list' | 'add' | 'remove' | 'content'>
  readonly verify: Verify
  /** Removes unfinished downloads beyond these limits. */
  sweepPartials(limits: SweepLimits): Promise<void>
  /** Checks that the store is writable, by writing a file and removing it. @throws when it is not */
  probe(): Promise<void>
  close(): Promise<void>
}

export interface FilesystemStoreOptions {
  readonly root: string
  readonly telemetry: StoreTelemetry
  /** The patterns that the configuration pins. */
  readonly pinned?: readonly ImagePattern[]
  /**
   * Called when the files are searched for content that the index does not know, because the index is new or
   * the last process was killed.
   */
  readonly rebuilding?: () => void
  /** Which reads are verified. */
  readonly verify?: VerifyReads
  /** Called with content that is removed because it is damaged. */
  readonly corrupt?: (digest: Digest) => void
  readonly files?: Files
  /** Epoch milliseconds. */
  readonly now?: () => number
}

/** Changes at every boot of the machine (random(4)). Linux only. */
const BOOT_ID = '/proc/sys/kernel/random/boot_id'

/**
 * Opens the store in a folder. @throws Error when another process has it open, it has another format, or it
 * is not writable
 */
export async function filesystemStore(options: FilesystemStoreOptions): Promise<FilesystemStore> {
  const { root, telemetry, pinned = [], files = realFiles(), now = Date.now } = options
  const paths = pathsOf(root)
  const run = storageOperation(telemetry)
  await files.makeFolder(root)
  const lock = acquireLock(paths.lock)
  try {
    await checkFormat(files, paths)
    await files.makeFolder(paths.ingest)
    for (const algorithm of ALGORITHMS) await files.makeFolder(join(paths.blobs, algorithm))
    await files.syncFolder(paths.blobs)
    await files.syncFolder(root)
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
    const index = sqliteIndex({
      file: paths.index,
      run,
      telemetry,
      pinned,
      now,
      emptied: rebuild,
    })
    const { content, links, references, tags, query } = index
    if (lock.wasAbandoned && isComplete) rebuild()
    const clamped = index.clampInstants(() => closed).catch(ignoreStorageError)
    const { verify = 'never', corrupt = () => {} } = options
    const store = fileBlobStore({ files, paths, partials, content, run, telemetry, verify, corrupt })
    const pinning = pins({ query, configured: pinned, now })

    return {
      blobs: store,
      inventory: store,
      discard: store.discard,
      links,
      references,
      tags,
      catalogue: createCatalogue({
        query,
        content,
        pins: pinning,
        blobs: store,
        telemetry,
        flush: index.flush,
      }),
      pins: pinning,
      verify: createVerify({ files, paths, query, totals: content.totals, discard: store.discard }),
      sweepPartials: (limits) => run('sweep', () => partials.sweep(limits, now())),
      async probe() {
        await files.makeFolder(paths.ingest)
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
        await Promise.all([rebuilt, clamped])
        try {
          index.close()
        } finally {
          lock.release({ unfinished: !isComplete })
        }
      },
    }
  } catch (error) {
    lock.release({ unfinished: true })
    throw error
  }
}
