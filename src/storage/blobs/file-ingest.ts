import { dirname } from 'node:path'
import type { Descriptor } from '../../oci/descriptor.ts'
import { OCTET_STREAM } from '../../oci/media-types.ts'
import type { BlobIngest, ExpectedContent } from '../../ports/blob-store.ts'
import type { Files, OpenFile } from '../files.ts'
import type { Partials } from './partials.ts'
import type { Paths } from '../paths.ts'
import { mutex } from '../../util/mutex.ts'
import { RunningHash } from './running-hash.ts'
import type { ContentIndex } from '../index/content-index.ts'
import { type StorageOperation, ignoreNotFound, ignoreStorageError } from '../storage-operation.ts'

export interface FileIngestOptions {
  readonly files: Files
  readonly paths: Paths
  readonly partials: Partials
  readonly content: ContentIndex
  readonly run: StorageOperation
}

/** Bytes between two checkpoints. When the process dies, at most these are downloaded again. */
const CHECKPOINT_EVERY = 8 * 1024 * 1024
/**
 * Bytes read back for the hash at one write. Bytes that arrived early would otherwise delay one writer for
 * long.
 */
const CATCH_UP = 4 * 1024 * 1024

/** Writes one object to `ingest/` and moves it to `blobs/`. */
export async function fileIngest(
  { digest, mediaType = OCTET_STREAM, origin }: ExpectedContent,
  { files, paths, partials, content, run }: FileIngestOptions,
): Promise<BlobIngest> {
  const part = await run('ingest', () => partials.take({ digest, origin }))
  const { file, filled } = part
  const target = paths.blob(digest)
  const hash = new RunningHash(digest, filled, (buffer, position) => file.read(buffer, position))
  let sinceCheckpoint = 0
  /** `named`: renamed into `blobs/`, but not yet in the index. */
  let stage: 'open' | 'named' | 'committed' | 'kept' = 'open'
  let verified: number | undefined
  let unsynced: { readonly reason: unknown } | undefined
  /** Each byte is written once and hashed once, so the hash is that of the file. */
  const exclusively = mutex()

  return {
    filled,

    write: (chunk, position) => exclusively(() => run('write', () => writeMissing(chunk, position))),

    read: (buffer, position) =>
      run('read', () => file.read(buffer.subarray(0, filled.filledFrom(position) - position), position)),

    verify: (size) =>
      exclusively(() =>
        run('read', async () => {
          await hash.finish(size)
          verified = size
        }),
      ),

    commit: () => exclusively(() => run('commit', () => commit())),

    keep: () =>
      exclusively(() =>
        run('keep', async () => {
          if (stage !== 'open' || filled.size === 0 || (await content.find(digest)) !== undefined) return
          await part.saveCheckpoint()
          stage = 'kept'
          await partials.keep({ digest, origin }, part)
        }),
      ),

    async [Symbol.asyncDispose]() {
      await exclusively(async () => {
        partials.release(part)
        await run('close', () => file.close()).catch(ignoreStorageError)
        await run('discard', () => discard()).catch(ignoreStorageError)
      })
    },
  }

  async function writeMissing(chunk: Uint8Array, position: number): Promise<number> {
    const end = position + chunk.length
    const before = filled.size
    for (let gap = filled.firstGap(position, end); gap !== undefined; gap = filled.firstGap(position, end)) {
      const missing = chunk.subarray(gap.start - position, gap.end - position)
      await writeAndHash(missing, gap.start)
      filled.add(gap.start, gap.end)
    }
    const written = filled.size - before
    sinceCheckpoint += written
    await hash.catchUp(CATCH_UP)
    if (sinceCheckpoint >= CHECKPOINT_EVERY) {
      sinceCheckpoint = 0
      await run('checkpoint', () => part.saveCheckpoint()).catch(ignoreStorageError)
    }
    return written
  }

  /**
   * Hashes while the disk writes. A failed write restarts the hash, because other bytes may take the place of
   * these.
   */
  async function writeAndHash(bytes: Uint8Array, position: number): Promise<void> {
    const writing = writeAll(file, bytes, position)
    hash.add(bytes, position)
    await writing.catch((error: unknown) => {
      hash.restart()
      throw error
    })
  }

  /** Whenever the machine stops, this order of steps leaves the object whole or absent. May be retried. */
  async function commit(): Promise<Descriptor> {
    if (verified === undefined) throw new Error('committed before it was verified')
    if (unsynced !== undefined) throw unsynced.reason
    if (stage === 'open') {
      const folder = dirname(target)
      await synced(() => file.sync())
      await moveInto(folder)
      stage = 'named'
      await synced(() => files.syncFolder(folder))
      await synced(() => files.syncFolder(dirname(folder)))
    }
    if (stage === 'named') {
      await content.add(digest, { size: verified, mediaType })
      stage = 'committed'
      partials.release(part)
      await run('checkpoint', () => part.removeCheckpoint()).catch(ignoreStorageError)
      await run('discard', () => partials.drop(digest)).catch(ignoreStorageError)
    }
    const stored = await content.find(digest)
    return { mediaType: stored?.mediaType ?? mediaType, digest, size: verified }
  }

  /** An eviction removes the folder when it is empty, perhaps between the two steps. */
  async function moveInto(folder: string): Promise<void> {
    for (;;) {
      await files.makeFolder(folder)
      const isMoved = await files.rename(part.path, target).then(
        () => true,
        (error: unknown) => ignoreNotFound(error) ?? false,
      )
      if (isMoved) return
      // Without its part there is nothing to move.
      await (await files.open(part.path, 'r')).close()
    }
  }

  /** A failed fsync may drop the bytes and reports it only once, so a later success proves nothing. */
  async function synced(sync: () => Promise<void>): Promise<void> {
    try {
      await sync()
    } catch (reason) {
      unsynced = { reason }
      throw reason
    }
  }

  async function discard(): Promise<void> {
    if (stage === 'open' || stage === 'named') await part.remove()
    // A file without a row takes space that is not counted. Another ingest may have added the row.
    if (stage === 'named' && (await content.find(digest)) === undefined) await files.remove(target)
  }
}

async function writeAll(file: OpenFile, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done), position + done)
}
