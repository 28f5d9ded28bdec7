import type { Descriptor } from '../../oci/descriptor.ts'
import { OCTET_STREAM } from '../../oci/media-types.ts'
import type { BlobIngest, ExpectedContent } from '../../ports/blob-store.ts'
import type { Files } from '../files.ts'
import { writeAll } from './deferred-file.ts'
import type { FreeSpace } from './free-space.ts'
import type { HashThread } from './hash-thread.ts'
import type { Committing, GroupCommit } from './group-commit.ts'
import type { Partials } from './partials.ts'
import type { Paths } from '../paths.ts'
import { mutex } from '../../util/async/mutex.ts'
import { RunningHash } from './running-hash.ts'
import type { ContentIndex } from '../index/content-index.ts'
import { type StorageOperation, ignoreStorageError } from '../storage-operation.ts'

export interface FileIngestOptions {
  readonly files: Files
  readonly paths: Paths
  readonly partials: Partials
  readonly content: ContentIndex
  readonly commits: GroupCommit
  readonly space: Pick<FreeSpace, 'wrote' | 'forget'>
  /** Hashes long content. */
  readonly hashing: HashThread
  readonly run: StorageOperation
}

/**
 * Bytes and milliseconds between two checkpoints. When the process dies, what came since the last one is
 * downloaded again: 8 MiB, or what came in that time. A checkpoint is a file that is written and renamed.
 */
const CHECKPOINT_EVERY = { bytes: 8 * 1024 * 1024, milliseconds: 100 }
/**
 * Bytes read back for the hash at one write. Bytes that arrived early would otherwise delay one writer for
 * long.
 */
const CATCH_UP = 4 * 1024 * 1024

/** Writes one object to `ingest/` and moves it to `blobs/`. */
export async function fileIngest(
  { digest, size: expected, mediaType = OCTET_STREAM, origin }: ExpectedContent,
  { files, paths, partials, content, commits, space, hashing, run }: FileIngestOptions,
): Promise<BlobIngest> {
  const part = await run('ingest', () => partials.take({ digest, origin }))
  const { file, filled } = part
  const hash = new RunningHash(digest, filled, (buffer, position) => file.read(buffer, position), hashing)
  let sinceCheckpoint = 0
  let checkpointAt = 0
  let committing: Committing | undefined
  let isKept = false
  /** Each byte is written once and hashed once, so the hash is that of the file. */
  const exclusively = mutex()

  return {
    filled,

    write: (chunk, position, size = expected) =>
      exclusively(() => run('write', () => writeMissing(chunk, position, size))),

    read: (buffer, position) =>
      run('read', () => file.read(buffer.subarray(0, filled.filledFrom(position) - position), position)),

    verify: (size) =>
      exclusively(() =>
        run('read', async () => {
          await hash.finish(size)
          const { path, write } = part
          committing = { digest, size, mediaType, path, write, sync: () => file.sync(), stage: 'open' }
        }),
      ),

    commit: () => exclusively(() => run('commit', () => commit())),

    keep: () =>
      exclusively(() =>
        run('keep', async () => {
          const isMoved = committing?.stage === 'named' || committing?.stage === 'committed'
          if (isMoved || filled.size === 0 || (await content.find(digest)) !== undefined) return
          await part.saveCheckpoint()
          isKept = true
          await partials.keep({ digest, origin }, part)
        }),
      ),

    async [Symbol.asyncDispose]() {
      await exclusively(async () => {
        hash[Symbol.dispose]()
        partials.release(part)
        await run('close', () => file.close()).catch(ignoreStorageError)
        await run('discard', () => discard()).catch(ignoreStorageError)
      })
    },
  }

  async function writeMissing(chunk: Uint8Array, position: number, size?: number): Promise<number> {
    const end = position + chunk.length
    const before = filled.size
    for (let gap = filled.firstGap(position, end); gap !== undefined; gap = filled.firstGap(position, end)) {
      const missing = chunk.subarray(gap.start - position, gap.end - position)
      await writeAndHash(missing, gap.start, size)
      filled.add(gap.start, gap.end)
      partials.wrote(part, gap.end - gap.start)
    }
    const written = filled.size - before
    sinceCheckpoint += written
    space.wrote(written)
    await hash.catchUp(CATCH_UP)
    if (sinceCheckpoint >= CHECKPOINT_EVERY.bytes && performance.now() >= checkpointAt) {
      sinceCheckpoint = 0
      checkpointAt = performance.now() + CHECKPOINT_EVERY.milliseconds
      await run('checkpoint', () => part.saveCheckpoint()).catch(ignoreStorageError)
    }
    return written
  }

  /**
   * Hashes while the disk writes. A failed write restarts the hash, because other bytes may take the place of
   * these.
   */
  async function writeAndHash(bytes: Uint8Array, position: number, size?: number): Promise<void> {
    const writing = writeAll(file, bytes, position)
    hash.add(bytes, position, size)
    await writing.catch((error: unknown) => {
      space.forget()
      hash.restart()
      throw error
    })
    await hash.settled()
  }

  /** May be retried. */
  async function commit(): Promise<Descriptor> {
    if (committing === undefined) throw new Error('committed before it was verified')
    await commits.commit(committing)
    partials.release(part)
    await run('checkpoint', () => part.removeCheckpoint()).catch(ignoreStorageError)
    await run('discard', () => partials.drop(digest)).catch(ignoreStorageError)
    const stored = await content.find(digest)
    return { mediaType: stored?.mediaType ?? mediaType, digest, size: committing.size }
  }

  async function discard(): Promise<void> {
    if (isKept || committing?.stage === 'committed') return
    await part.remove()
    if (committing?.stage !== 'named') return
    // A file without a row takes space that is not counted. Another ingest may have added the row.
    if ((await content.find(digest)) === undefined) await files.remove(paths.blob(digest))
  }
}
