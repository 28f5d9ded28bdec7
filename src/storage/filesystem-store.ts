import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import type { ContentInventory, LinkIndex, TagIndex } from '../oci/indexes.ts'
import type { BlobStore } from '../oci/stores.ts'
import type { StoreTelemetry } from '../oci/telemetry.ts'
import { fileBlobStore } from './file-blob-store.ts'
import { type Files, realFiles } from './files.ts'
import { acquireLock } from './lock.ts'
import { type PartFiles, partFiles } from './part-file.ts'
import { type Paths, paths as pathsOf } from './paths.ts'
import { rebuildContent } from './rebuild.ts'
import { type SqliteIndex, sqliteIndex } from './sqlite-index.ts'
import { type Attempt, attempts, codeOf, unlessMissing } from './storage-error.ts'

export interface FilesystemStore {
  readonly blobs: BlobStore
  readonly inventory: ContentInventory
  readonly links: LinkIndex
  readonly tags: TagIndex
  /** Removes unfinished downloads that are older than this (milliseconds), and the oldest beyond this many bytes. */
  sweepPartials(limits: Parameters<PartFiles['sweep']>[0]): Promise<void>
  /** Writes and removes a file. @throws when that is not possible. */
  probe(): Promise<void>
  close(): Promise<void>
}

export interface FilesystemStoreOptions {
  readonly root: string
  readonly telemetry: StoreTelemetry
  /** Told that the index was lost and is being rebuilt. */
  readonly rebuilding?: () => void
  readonly files?: Files
  /** Epoch milliseconds. */
  readonly now?: () => number
}

const FORMAT = 'entrepot 1\n'
const CACHEDIR_TAG =
  'Signature: 8a477f597d28d172789f06886806bc55\n# Entrepot can download all of this again.\n'

/**
 * The store in a folder. @throws when the folder is of another format, in use by another process, or not writable.
 */
export async function filesystemStore(options: FilesystemStoreOptions): Promise<FilesystemStore> {
  const { root, telemetry, files = realFiles(), now = Date.now } = options
  const paths = pathsOf(root)
  const attempt = attempts(telemetry)
  await files.makeFolder(paths.ingest)
  await files.makeFolder(paths.blobs)
  const lock = await acquireLock(paths.lock)
  try {
    await checkFormat(files, paths)
    const parts = partFiles(files, paths)
    await parts.recover()
    const { index, isNew } = await openIndex(files, paths, attempt, now)
    const store = fileBlobStore({ files, paths, parts, content: index.content, attempt, telemetry })
    let closed = false
    const rebuilt = isNew ? rebuild() : Promise.resolve()

    return {
      blobs: store,
      inventory: store,
      links: index.links,
      tags: index.tags,
      sweepPartials: (limits) => attempt('sweep', () => parts.sweep(limits, now())),
      async probe() {
        await files.makeFolder(paths.ingest)
        const path = `${paths.ingest}/probe`
        await files.writeText(path, 'entrepot')
        await files.remove(path)
      },
      async close() {
        closed = true
        await rebuilt
        index.close()
        await lock.release()
      },
    }

    async function rebuild(): Promise<void> {
      options.rebuilding?.()
      await rebuildContent(files, paths, index.content, () => closed).catch(() => telemetry.failed('rebuild'))
    }
  } catch (error) {
    await lock.release()
    throw error
  }
}

async function checkFormat(files: Files, paths: Paths): Promise<void> {
  const format = await files.readText(paths.format).catch(unlessMissing)
  if (format === undefined) {
    await files.writeText(paths.format, FORMAT)
    await files.writeText(paths.cacheDirTag, CACHEDIR_TAG)
  } else if (format !== FORMAT) {
    throw new Error(
      `${paths.format} says ${JSON.stringify(format.trim())}, this program reads ${JSON.stringify(FORMAT.trim())}`,
    )
  }
}

/** An index that cannot be read is set aside, not mended: what is in it can be had again. */
async function openIndex(
  files: Files,
  paths: Paths,
  attempt: Attempt,
  now: () => number,
): Promise<{ index: SqliteIndex; isNew: boolean }> {
  const isNew = !(await exists(paths.index))
  try {
    return { index: sqliteIndex(paths.index, attempt, now), isNew }
  } catch (error) {
    if (codeOf(error) !== 'ERR_SQLITE_ERROR') throw error
    const suffix = `corrupt-${now()}`
    await files.rename(paths.index, `${paths.index}.${suffix}`)
    await files.remove(`${paths.index}-wal`)
    await files.remove(`${paths.index}-shm`)
    return { index: sqliteIndex(paths.index, attempt, now), isNew: true }
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    (error: unknown) => unlessMissing(error) ?? false,
  )
}
