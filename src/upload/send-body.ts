import { setTimeout as delay } from 'node:timers/promises'
import { RegistryError } from '../oci/errors.ts'
import { isInMemory, type OpenedBlob } from '../ports/blob-store.ts'
import type { Chunk } from '../ports/moving/destination.ts'
import { untilAborted } from '../util/async/until-aborted.ts'
import type { UploadRequest } from './upload-request.ts'

/** Limits the bytes per second. */
export interface Pace {
  /** Charges for bytes. @returns the milliseconds until more may be sent */
  charge(bytes: number): number
}

/** Bytes. Each upload has a few pieces in memory. */
const PIECE = 64 * 1024

/**
 * The bytes of a blob from `start` to `end`. They are opened for each request, so that a blob of which nothing
 * has to be sent is not even fetched. `sent` is told the size of each piece.
 */
export function chunkOf(
  request: Pick<UploadRequest, 'open' | 'pace' | 'digest' | 'repository'>,
  { start, end }: { readonly start: number; readonly end: number },
  sent: (bytes: number) => void,
): Chunk {
  return {
    size: end - start,
    async *read(signal) {
      const opened = await openedUntilAborted(request.open(signal), signal)
      if (opened === undefined) {
        const { digest, repository } = request
        throw new RegistryError('BLOB_UNKNOWN', {
          digest,
          repository,
          reason: 'not stored, and not upstream',
        })
      }
      for await (const piece of piecesOf(opened, start, end, signal)) {
        yield piece
        sent(piece.length)
        const wait = request.pace?.charge(piece.length) ?? 0
        if (wait > 0) await delay(wait, undefined, { signal })
      }
    },
  }
}

/** A blob that is opened too late is closed again. */
async function openedUntilAborted(
  opening: Promise<OpenedBlob | undefined>,
  signal: AbortSignal,
): Promise<OpenedBlob | undefined> {
  try {
    return await untilAborted(opening, signal)
  } catch (error) {
    opening.then(closed).catch(() => {})
    throw error
  }
}

async function closed(opened: OpenedBlob | undefined): Promise<void> {
  if (opened !== undefined && !isInMemory(opened)) await opened[Symbol.asyncDispose]()
}

async function* piecesOf(
  opened: OpenedBlob,
  start: number,
  end: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  if (isInMemory(opened)) {
    yield opened.bytes.subarray(start, end)
    return
  }
  await using reader = opened
  for (let position = start; position < end;) {
    // The socket holds a piece until it is sent: none is written to twice.
    const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE, end - position))
    const count = await untilAborted(reader.read(buffer, position), signal)
    if (count === 0) throw new RegistryError('STORAGE', { reason: 'blob shorter than its manifest says' })
    yield buffer.subarray(0, count)
    position += count
  }
}
