import { relative } from 'node:path'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { isRegistryError } from '../../oci/errors.ts'
import type { ContentInventory } from '../../ports/metadata.ts'
import type { BlobReader, BlobStore } from '../../ports/blob-store.ts'
import type { StoreTelemetry } from '../../ports/telemetry.ts'
import { fileIngest, type FileIngestOptions } from './file-ingest.ts'
import { FreeSpace } from './free-space.ts'
import { HashThread } from './hash-thread.ts'
import { GroupCommit } from './group-commit.ts'
import type { DiskUsage } from '../../ports/metadata.ts'
import type { OpenFile } from '../files.ts'
import { SharedFiles } from './shared-files.ts'
import { codeOf, ignoreStorageError, ignoreNotFound } from '../storage-operation.ts'
import { restoreFolder } from '../store-folder.ts'
import { verifyingReader } from './verifying-reader.ts'

/** Which reads are verified: none, a few of the complete ones, or all. */
export type VerifyReads = 'never' | 'sample' | 'always'

export interface FileBlobStore extends BlobStore<BlobReader>, ContentInventory {
  /** Removes damaged content, and counts it. */
  discard(digest: Digest): Promise<void>
  /**
   * The same, unless the content was evicted, or stored again, since `damaged` was opened; undefined: since there
   * was no file. @returns whether it was removed
   */
  discardFile(digest: Digest, damaged: OpenFile | undefined): Promise<boolean>
  /** As `open`, but no use of the content. */
  peek(digest: Digest): Promise<BlobReader | undefined>
  /** As `Partials.evict`. What is free is asked anew afterwards. */
  evictPartials(bytes: number): Promise<number>
}

export interface FileBlobStoreOptions extends Omit<FileIngestOptions, 'commits' | 'hashing' | 'space'> {
  readonly telemetry: StoreTelemetry
  readonly verify: VerifyReads
  readonly indexBytes: () => number
  /** Called with content that is removed because it is damaged. */
  readonly corrupt: (digest: Digest) => void
}

/**
 * One read in a hundred. Hashing costs more than serving, and content that is read often is still verified
 * often.
 */
const SAMPLED = 0.01

/** More than all folders of `blobs/` together take many times. */
const FEW_INODES = 10_000

/** The number of libuv's threads. */
const REMOVED_AT_ONCE = 4

/**
 * Content as files named by their digest. A file that is missing, has the wrong size, or cannot be read is
 * removed, and counts as a miss.
 */
export function fileBlobStore(options: FileBlobStoreOptions): FileBlobStore {
  const { files, paths, partials, content, run, telemetry, verify, corrupt } = options
  /** Counts removals: after one, another file may have the name of a file that readers still have open. */
  let removals = 0
  const shared = new SharedFiles()
  const commits = new GroupCommit(options)
  const hashing = new HashThread()
  const space = new FreeSpace(askSpace)

  return {
    async stat(digest) {
      const descriptor = await find(digest)
      if (descriptor !== undefined) content.use(digest)
      return descriptor
    },

    async open(digest, { partly = false, isByJob = false } = {}) {
      const key = `${removals} ${digest}`
      const descriptor = await find(digest)
      if (descriptor === undefined) return undefined
      const file = await shared.open(key, async () => {
        const whole = await openWhole(descriptor)
        if (whole === undefined) await removeCorrupt(digest)
        return whole
      })
      if (file === undefined) return undefined
      content.use(digest, !isByJob)
      return verified(reader(descriptor, file, key), file, partly)
    },

    async peek(digest) {
      const key = `${removals} ${digest}`
      const descriptor = await find(digest)
      const file = descriptor && (await openWhole(descriptor))
      return file && reader(descriptor!, file, key)
    },

    ingest: (expected) => fileIngest(expected, { ...options, commits, hashing, space }),

    delete: remove,

    discard: removeCorrupt,
    discardFile,

    evictPartials: (bytes) => run('sweep', () => partials.evict(bytes)).finally(() => space.forget()),

    usage: () =>
      run('usage', async () => ({
        ...(await content.totals()),
        indexBytes: options.indexBytes(),
        partialBytes: partials.bytes,
        runningBytes: partials.runningBytes,
        disk: await space.get(),
      })),

    use: content.use,
    olderThan: content.olderThan,
    longestUnused: content.longestUnused,
  }

  /** Creates the folder again when somebody has removed it. */
  async function askSpace(): Promise<DiskUsage> {
    const space = await files.space(paths.root).catch(ignoreNotFound)
    if (space !== undefined) return space
    await restoreFolder(files, paths)
    return files.space(paths.root)
  }

  async function find(digest: Digest): Promise<Descriptor | undefined> {
    const row = await content.find(digest)
    return row && { mediaType: row.mediaType, digest, size: row.size }
  }

  /** @returns undefined when the file is missing, has the wrong size, or lies on a bad sector */
  async function openWhole({ digest, size }: Descriptor): Promise<OpenFile | undefined> {
    return run('open', async () => {
      let file: OpenFile | undefined
      try {
        file = await files.open(paths.blob(digest), 'r')
        if ((await file.size()) === size) return file
      } catch (error) {
        if (codeOf(error) !== 'EIO') {
          await file?.close()
          return ignoreNotFound(error)
        }
        telemetry.failed('open')
      }
      await file?.close()
      return undefined
    })
  }

  async function discardFile(digest: Digest, damaged: OpenFile | undefined): Promise<boolean> {
    const isStill = await isFileOf(digest, damaged)
    if (isStill) await removeCorrupt(digest)
    return isStill
  }

  async function isFileOf(digest: Digest, known: OpenFile | undefined): Promise<boolean> {
    let current: OpenFile | undefined
    try {
      current = await files.open(paths.blob(digest), 'r')
      return known !== undefined && (await current.id()) === (await known.id())
    } catch (error) {
      // A file that cannot be looked at is no good one.
      return codeOf(error) === 'ENOENT' ? known === undefined : true
    } finally {
      await current?.close()
    }
  }

  /** When the row cannot be removed, on a disk that became read-only, the next read is a miss again. */
  async function removeCorrupt(digest: Digest): Promise<void> {
    telemetry.evicted('corrupt')
    corrupt(digest)
    await remove(digest).catch(ignoreStorageError)
  }

  /**
   * Removes the row first. A rebuild finds a file without a row, while a row without a file would be wrong.
   */
  async function remove(...digests: readonly Digest[]): Promise<void> {
    let refused: unknown
    await content.remove(...digests).catch((error: unknown) => {
      refused = ignoreStorageError(error) ?? error
    })
    for (let at = 0; at < digests.length; at += REMOVED_AT_ONCE) {
      const some = digests.slice(at, at + REMOVED_AT_ONCE)
      await Promise.all(some.map(removeFile))
    }
    space.forget()
    await removeFolders(digests).catch(ignoreStorageError)
    // On a full disk the index cannot be written before a file is removed.
    if (refused !== undefined) await content.remove(...digests)
    for (const digest of await content.known(digests)) await forgetIfGone(digest)
  }

  /** Empty folders take inodes, of which a disk may have few. */
  async function removeFolders(digests: readonly Digest[]): Promise<void> {
    await run('delete', async () => {
      if ((await space.get()).freeInodes > FEW_INODES) return
      for (const folder of new Set(digests.map(paths.folderOf))) await files.removeEmptyFolder(folder)
    })
  }

  async function removeFile(digest: Digest): Promise<void> {
    await run('delete', () => files.remove(paths.blob(digest)))
    removals += 1
  }

  /** A rebuild or another commit may have added a row for the file that was just removed. */
  async function forgetIfGone(digest: Digest): Promise<void> {
    const file = await run('delete', () => files.open(paths.blob(digest), 'r').catch(ignoreNotFound))
    await file?.close()
    if (file === undefined) await content.remove(digest)
  }

  function verified(reader: BlobReader, file: OpenFile, partly: boolean): BlobReader {
    const strict = verify === 'always'
    if (!strict && (verify === 'never' || partly || Math.random() >= SAMPLED)) return reader
    const { digest } = reader.descriptor
    const corrupt = async () => void (await discardFile(digest, file))
    return verifyingReader(reader, { strict, partly, corrupt })
  }

  function reader(descriptor: Descriptor, file: OpenFile, key: string): BlobReader {
    let closing: Promise<void> | undefined
    return {
      descriptor,
      sharing: { key, took() {} },
      file: relative(paths.root, paths.blob(descriptor.digest)),
      async read(buffer, position) {
        // The fault of the caller, and none of the store.
        if (closing !== undefined) throw new Error('this reader was disposed of')
        try {
          return await run('read', () => file.read(buffer, position))
        } catch (error) {
          if (isRegistryError(error, 'STORAGE') && error.detail['reason'] === 'EIO') {
            await discardFile(descriptor.digest, file)
          }
          throw error
        }
      },
      async [Symbol.asyncDispose]() {
        closing ??= file.close()
        await closing
      },
    }
  }
}
