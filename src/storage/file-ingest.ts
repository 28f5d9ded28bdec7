import { dirname } from 'node:path'
import type { Descriptor } from '../oci/descriptor.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'
import type { BlobIngest, ExpectedContent } from '../oci/stores.ts'
import type { Files } from './files.ts'
import type { PartFile, PartFiles } from './part-file.ts'
import type { Paths } from './paths.ts'
import { RunningHash } from './running-hash.ts'
import type { ContentIndex } from './sqlite-index.ts'
import type { Attempt } from './storage-error.ts'

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
  { digest, mediaType = OCTET_STREAM }: ExpectedContent,
  { files, paths, parts, content, attempt }: FileIngestOptions,
): Promise<BlobIngest> {
  const part = await attempt('ingest', () => parts.take(digest))
  const { file, filled } = part
  const hash = new RunningHash(digest, filled, (buffer, position) => file.read(buffer, position))
  let unnoted = 0
  let outcome: 'open' | 'committed' | 'kept' = 'open'
  let verified: number | undefined
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

    read: (buffer, position) => attempt('read', () => file.read(buffer, position)),

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
          if (outcome !== 'open') return
          await part.note()
          outcome = 'kept'
          parts.leave(digest, part)
        }),
      ),

    async [Symbol.asyncDispose]() {
      await inTurn(async () => {
        await file.close()
        if (outcome === 'open') await attempt('discard', () => part.remove())
      })
    },
  }

  async function writeMissing(chunk: Uint8Array, position: number): Promise<void> {
    const end = position + chunk.length
    for (let gap = filled.firstGap(position, end); gap !== undefined; gap = filled.firstGap(position, end)) {
      const missing = chunk.subarray(gap.start - position, gap.end - position)
      await writeAll(part, missing, gap.start)
      hash.add(missing, gap.start)
      filled.add(gap.start, gap.end)
      unnoted += missing.length
    }
    await hash.catchUp(CATCH_UP)
    if (unnoted < NOTE_EVERY) return
    unnoted = 0
    await part.note()
  }

  /** The steps in the order that leaves, whenever the machine stops, the object whole or absent. */
  async function commit(): Promise<Descriptor> {
    if (verified === undefined) throw new Error('committed before it was verified')
    const descriptor = { mediaType, digest, size: verified }
    if (outcome === 'committed') return descriptor
    const target = paths.blob(digest)
    const folder = dirname(target)
    await file.sync()
    await files.makeFolder(folder)
    await files.rename(part.path, target)
    await files.syncFolder(folder)
    await files.syncFolder(dirname(folder))
    outcome = 'committed'
    await part.removeNote()
    await content.add(digest, { size: verified, mediaType }).catch(async (error: unknown) => {
      // A file that the index does not know would take space that nobody counts.
      await files.remove(target)
      throw error
    })
    return descriptor
  }
}

async function writeAll({ file }: PartFile, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done), position + done)
}
