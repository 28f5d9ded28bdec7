import { dirname } from 'node:path'
import type { Descriptor } from '../../oci/descriptor.ts'
import { OCTET_STREAM } from '../../oci/media-types.ts'
import type { BlobIngest, ExpectedContent } from '../../ports/blob-store.ts'
import type { Files, OpenFile } from '../files.ts'
import type { PartFiles } from './part-file.ts'
import type { Paths } from '../paths.ts'
import { RunningHash } from './running-hash.ts'
import type { ContentIndex } from '../index/sqlite-index.ts'
import { type Attempt, forgiveStorage } from '../storage-errors.ts'

export interface FileIngestOptions {
  readonly files: Files
  readonly paths: Paths
  readonly parts: PartFiles
  readonly content: ContentIndex
  readonly attempt: Attempt
}

/** How often the note of what is there is renewed; what comes after it is fetched again when the process dies. Bytes. */
const NOTE_EVERY = 8 * 1024 * 1024
/** What may be read back for the hash at one write, so that bytes which came early do not hold up one writer for long. */
const CATCH_UP = 4 * 1024 * 1024

/** One object on its way to `blobs/`. */
export async function fileIngest(
  { digest, mediaType = OCTET_STREAM, origin }: ExpectedContent,
  { files, paths, parts, content, attempt }: FileIngestOptions,
): Promise<BlobIngest> {
  const part = await attempt('ingest', () => parts.take({ digest, origin }))
  const { file, filled } = part
  const target = paths.blob(digest)
  const hash = new RunningHash(digest, filled, (buffer, position) => file.read(buffer, position))
  let unnoted = 0
  /** `named`: in `blobs/`, and not in the index yet. */
  let stage: 'open' | 'named' | 'committed' | 'kept' = 'open'
  let verified: number | undefined
  let unsynced: { readonly reason: unknown } | undefined
  let last: Promise<unknown> = Promise.resolve()

  /** One at a time: a byte is written once and hashed once, so what is hashed is what is in the file. */
  const inTurn = <T>(task: () => Promise<T>): Promise<T> => {
    const turn = last.then(task, task)
    last = turn.catch(() => {})
    return turn
  }

  return {
    filled,

    write: (chunk, position) => inTurn(() => attempt('write', () => writeMissing(chunk, position))),

    read: (buffer, position) =>
      attempt('read', () => file.read(buffer.subarray(0, filled.filledFrom(position) - position), position)),

    verify: (size) =>
      inTurn(() =>
        attempt('read', async () => {
          await hash.finish(size)
          verified = size
        }),
      ),

    commit: () => inTurn(() => attempt('commit', () => commit())),

    keep: () =>
      inTurn(() =>
        attempt('keep', async () => {
          if (stage !== 'open' || filled.size === 0 || (await content.find(digest)) !== undefined) return
          await part.note()
          stage = 'kept'
          await parts.leave({ digest, origin }, part)
        }),
      ),

    async [Symbol.asyncDispose]() {
      await inTurn(async () => {
        await attempt('close', () => file.close()).catch(forgiveStorage)
        await attempt('discard', () => discard()).catch(forgiveStorage)
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
    unnoted += written
    await hash.catchUp(CATCH_UP)
    if (unnoted >= NOTE_EVERY) {
      unnoted = 0
      await attempt('note', () => part.note()).catch(forgiveStorage)
    }
    return written
  }

  /** Hashes while the disk is busy, and forgets that when the bytes did not get there: others may come in their place. */
  async function writeAndHash(bytes: Uint8Array, position: number): Promise<void> {
    const writing = writeAll(file, bytes, position)
    hash.add(bytes, position)
    await writing.catch((error: unknown) => {
      hash.restart()
      throw error
    })
  }

  /** The steps in the order that leaves, whenever the machine stops, the object whole or absent. May be tried again. */
  async function commit(): Promise<Descriptor> {
    if (verified === undefined) throw new Error('committed before it was verified')
    if (unsynced !== undefined) throw unsynced.reason
    if (stage === 'open') {
      const folder = dirname(target)
      await synced(() => file.sync())
      await files.makeFolder(folder)
      await files.rename(part.path, target)
      stage = 'named'
      await synced(() => files.syncFolder(folder))
      await synced(() => files.syncFolder(dirname(folder)))
    }
    if (stage === 'named') {
      await content.add(digest, { size: verified, mediaType })
      stage = 'committed'
      await attempt('note', () => part.removeNote()).catch(forgiveStorage)
      await attempt('discard', () => parts.drop(digest)).catch(forgiveStorage)
    }
    const stored = await content.find(digest)
    return { mediaType: stored?.mediaType ?? mediaType, digest, size: verified }
  }

  /** A failed sync may have dropped what it was to write and reports that once only: a second that succeeds proves nothing. */
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
    // A file that the index does not know takes space that nobody counts; another ingest may have made it known.
    if (stage === 'named' && (await content.find(digest)) === undefined) await files.remove(target)
  }
}

async function writeAll(file: OpenFile, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done), position + done)
}
