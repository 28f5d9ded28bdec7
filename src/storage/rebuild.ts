import { setImmediate as turn } from 'node:timers/promises'
import { ALGORITHMS, type Digest, digestFrom, hasherFor, isDigest } from '../oci/digest.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'
import type { StoreTelemetry } from '../ports/telemetry.ts'
import type { Files } from './files.ts'
import type { Paths } from './paths.ts'
import type { ContentIndex } from './index/content-index.ts'
import { type StorageOperation, codeOf, ignoreStorageError, ignoreNotFound } from './storage-operation.ts'

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
    for (const folder of await listing(`${paths.blobs}/${algorithm}`)) {
      for (const name of await listing(`${paths.blobs}/${algorithm}/${folder}`)) {
        if (stopped()) return false
        const path = `${paths.blobs}/${algorithm}/${folder}/${name}`
        await run('rebuild', () => adopt(path, `${algorithm}:${name}`)).catch(skipped)
        await turn()
      }
    }
  }
  return complete && !stopped()

  async function adopt(path: string, digest: string): Promise<void> {
    if (!isDigest(digest) || path !== paths.blob(digest)) return files.remove(path)
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

  async function listing(folder: string): Promise<readonly string[]> {
    const names = await run('rebuild', () => files.list(folder).catch(unlessFolder)).catch(skipped)
    return names ?? []
  }

  function skipped(error: unknown): undefined {
    complete = false
    return ignoreStorageError(error)
  }
}

function unlessFolder(error: unknown): readonly string[] {
  if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return []
  throw error
}
