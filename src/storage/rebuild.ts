import { setImmediate as turn } from 'node:timers/promises'
import { ALGORITHMS, type Digest, digestFrom, hasherFor } from '../oci/digest.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'
import type { StoreTelemetry } from '../ports/telemetry.ts'
import type { Files, FolderEntry } from './files.ts'
import { digestOfFile } from './own-names.ts'
import type { Paths } from './paths.ts'
import type { ContentIndex } from './index/content-index.ts'
import { type StorageOperation, ignoreNotFound, ignoreStorageError } from './storage-operation.ts'

export interface RebuildOptions {
  readonly files: Files
  readonly paths: Paths
  readonly content: ContentIndex
  readonly run: StorageOperation
  readonly telemetry: StoreTelemetry
  /** Stops early when true. */
  readonly stopped: () => boolean
}

const PIECE = 1024 * 1024

/**
 * Adds rows for the files that the index does not know: those of a process killed between rename and insert,
 * or all of them when the index was lost. A file is hashed first, and removed when its digest is wrong. Links
 * are lost with the index and proved again by pulls. Manifests are recognised when they are pulled again.
 *
 * @returns false when a file could not be read.
 */
export async function rebuildContent(options: RebuildOptions): Promise<boolean> {
  const { files, paths, content, run, telemetry, stopped } = options
  const buffer = Buffer.allocUnsafe(PIECE)
  let complete = true

  for (const algorithm of ALGORITHMS) {
    for (const { name: folder } of await listing(`${paths.blobs}/${algorithm}`, 'folder')) {
      for (const entry of await listing(`${paths.blobs}/${algorithm}/${folder}`, 'file')) {
        if (stopped()) return false
        const digest = digestOfFile(algorithm, folder, entry, paths)
        if (digest !== undefined) await run('rebuild', () => adopt(paths.blob(digest), digest)).catch(skipped)
        await turn()
      }
    }
  }
  return complete && !stopped()

  async function adopt(path: string, digest: Digest): Promise<void> {
    if ((await content.find(digest)) !== undefined) return
    const size = await verifiedSize(path, digest)
    if (size !== undefined) {
      await content.add(digest, { size, mediaType: OCTET_STREAM })
      // The file may have been evicted while it was hashed.
      const file = await files.open(path, 'r').catch(ignoreNotFound)
      await file?.close()
      if (file === undefined) await content.remove(digest)
      return
    }
    if (stopped()) return
    telemetry.evicted('corrupt')
    await files.remove(path)
  }

  /** @returns undefined when the digest is wrong */
  async function verifiedSize(path: string, digest: Digest): Promise<number | undefined> {
    const hash = hasherFor(digest)
    const file = await files.open(path, 'r')
    try {
      let size = 0
      for (let count; (count = await file.read(buffer, size)) > 0 && !stopped(); size += count) {
        hash.update(buffer.subarray(0, count))
      }
      return digestFrom(hash, digest) === digest ? size : undefined
    } finally {
      await file.close()
    }
  }

  async function listing(folder: string, kind: FolderEntry['kind']): Promise<readonly FolderEntry[]> {
    const entries = await run('rebuild', () => files.list(folder).catch(ignoreNotFound)).catch(skipped)
    return entries?.filter((entry) => entry.kind === kind) ?? []
  }

  function skipped(error: unknown): undefined {
    complete = false
    return ignoreStorageError(error)
  }
}
