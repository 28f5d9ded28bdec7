import { setTimeout as delay } from 'node:timers/promises'
import { type Digest, digestFrom, digestOf, hasherFor } from '../../oci/digest.ts'
import { isRegistryError, RegistryError } from '../../oci/errors.ts'
import type { BlobIngest, BlobStore } from '../../ports/blob-store.ts'
import type { BlobBody } from '../../ports/upstream.ts'
import type { V1Content } from '../../ports/v1-images.ts'
import { invalidAnswer } from '../failures.ts'
import { notTooSlow } from './not-too-slow.ts'

/**
 * Which version of a layer its unfinished download is of: a digest of the validators it came with. It outlives
 * the process, as the download does.
 */
export interface BegunVersion {
  get(): Promise<Digest | undefined>
  set(version: Digest): Promise<void>
}

export interface TakeLayerOptions {
  readonly blobs: Pick<BlobStore, 'ingest' | 'stat'>
  /** Of the upstream, for the ingest. */
  readonly origin: string
  /** Names the layer among all that are taken. */
  readonly key: string
  /** Bytes at most. */
  readonly mostBytes: number
  readonly begun: BegunVersion
  /** So many bytes are there; `total` if upstream says it. */
  readonly progress?: ((filled: number, total: number | undefined) => void) | undefined
  /** Opens the layer from a byte on. undefined = the registry does not have it. */
  readonly open: (start: number, signal: AbortSignal) => Promise<BlobBody | undefined>
  /** Monotonic clock, in milliseconds. */
  readonly now: () => number
  readonly signal: AbortSignal
}

/** Attempts in a row that bring next to nothing, and milliseconds before the second one. */
const ATTEMPTS = 4
const PAUSE = 200
/** Bytes that an attempt has to bring, beyond all that came before it, to be worth another one. */
const PROGRESS = 64 * 1024
/** Bytes read at a time. */
const PIECE = 256 * 1024

/**
 * Stores a layer whose digest nobody knows before it is there. Its bytes are kept as the unfinished download of
 * a digest that is made of its name and version, so that they count in the quota, and are continued after a
 * failure or a restart, if upstream still has that version. When all are there, they are hashed, and committed
 * under what they hash to.
 *
 * @throws RegistryError UPSTREAM_INVALID when it is too long, or upstream does not have it. STORAGE. The reason
 * of the signal
 */
export async function takeLayer(id: string, options: TakeLayerOptions): Promise<V1Content> {
  const { blobs, key, origin, begun, open, now, signal, mostBytes, progress } = options
  let furthest = 0
  for (let failures = 0; ;) {
    let reached = 0
    try {
      return await attempt((end) => (reached = Math.max(reached, end)))
    } catch (error) {
      signal.throwIfAborted()
      failures = reached >= furthest + PROGRESS ? 1 : failures + 1
      furthest = Math.max(furthest, reached)
      if (!isPassing(error) || failures >= ATTEMPTS) throw error
      // An abort has a reason of its own.
      await delay(PAUSE * 2 ** failures, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }

  async function attempt(reached: (end: number) => void): Promise<V1Content> {
    const known = await begun.get()
    if (known !== undefined) {
      await using ingest = await ingestOf(known)
      const start = ingest.filled.filledFrom(0)
      if (start > 0) {
        const body = await opened(start).catch(async (error: unknown) => {
          await keepFor(error, ingest)
          throw error
        })
        if (body.start === start && versionOf(body) === known)
          return await taken(ingest, body, { start, isKept: true, reached })
        // Another version, or one that cannot be told from another, or ranges are not honoured.
        await closed(body)
      }
    }
    const body = await opened(0)
    const version = versionOf(body)
    const begin = async (): Promise<BlobIngest> => {
      if (version !== undefined && version !== known) await begun.set(version)
      return ingestOf(version)
    }
    await using ingest = await begin().catch(async (error: unknown) => {
      await closed(body)
      throw error
    })
    return await taken(ingest, body, { start: 0, isKept: version !== undefined, reached })
  }

  /** Without a version, what breaks off is not kept. */
  function ingestOf(version: Digest | undefined): Promise<BlobIngest> {
    const digest = digestOf(Buffer.from(`v1 ${key} ${version ?? ''}`))
    return blobs.ingest({ digest, origin: `v1 ${origin}` })
  }

  async function opened(start: number): Promise<BlobBody> {
    const body = await open(start, signal)
    if (body === undefined) throw invalid('has no layer of it')
    return body
  }

  async function taken(
    ingest: BlobIngest,
    body: BlobBody,
    how: { readonly start: number; readonly isKept: boolean; readonly reached: (end: number) => void },
  ): Promise<V1Content> {
    try {
      const size = await fill(ingest, body, how.start)
      const digest = await digestOfAll(ingest, size)
      await commit(ingest, { id, digest, size })
      return { id, digest, size }
    } catch (error) {
      how.reached(ingest.filled.filledFrom(0))
      if (how.isKept) await keepFor(error, ingest)
      throw error
    }
  }

  async function keepFor(error: unknown, ingest: BlobIngest): Promise<void> {
    if (isPassing(error) || (signal.aborted && !isRegistryError(error, 'STORAGE', 'UPSTREAM_INVALID')))
      await ingest.keep()
  }

  /** @returns how long it is */
  async function fill(ingest: BlobIngest, body: BlobBody, start: number): Promise<number> {
    const chunks = notTooSlow(body[Symbol.asyncIterator](), { upstream: origin, now })
    try {
      if (body.total !== undefined && body.total > mostBytes)
        throw invalid(`says that it has ${body.total} bytes`)
      if (body.start !== start) throw invalid('sends the middle of it')
      let end = start
      for await (const chunk of { [Symbol.asyncIterator]: () => chunks }) {
        end += chunk.length
        if (end > mostBytes) throw invalid(`sends more than ${mostBytes} bytes of it`)
        await ingest.write(chunk, end - chunk.length)
        progress?.(end, body.total)
        signal.throwIfAborted()
      }
      if (body.total !== undefined && body.total !== end)
        throw invalid(`says that it has ${body.total} bytes, and sends ${end}`)
      return end
    } finally {
      await chunks.return?.()
    }
  }

  async function digestOfAll(ingest: BlobIngest, size: number): Promise<Digest> {
    const hash = hasherFor()
    for await (const piece of piecesOf(ingest, size)) hash.update(piece)
    return digestFrom(hash)
  }

  async function commit(from: BlobIngest, { digest, size }: V1Content): Promise<void> {
    if ((await blobs.stat(digest)) !== undefined) return
    await using ingest = await blobs.ingest({ digest, size, origin })
    let position = 0
    for await (const piece of piecesOf(from, size)) {
      await ingest.write(piece, position, size)
      position += piece.length
    }
    await ingest.verify(size)
    await ingest.commit()
  }

  async function* piecesOf(ingest: BlobIngest, size: number): AsyncGenerator<Buffer> {
    const buffer = Buffer.allocUnsafe(PIECE)
    for (let position = 0; position < size;) {
      signal.throwIfAborted()
      const count = await ingest.read(buffer.subarray(0, Math.min(PIECE, size - position)), position)
      if (count === 0) {
        const reason = `the unfinished download ends at ${position} of ${size} bytes`
        throw new RegistryError('STORAGE', { operation: 'read', reason })
      }
      yield buffer.subarray(0, count)
      position += count
    }
  }

  function invalid(what: string) {
    return invalidAnswer(origin, `image ${id.slice(0, 12)}: the registry ${what}`)
  }
}

/** Whether a later attempt may go on where this one has ended. */
function isPassing(error: unknown): boolean {
  return isRegistryError(error, 'UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMEOUT', 'UPSTREAM_LIMITED')
}

/** undefined = nothing tells it from another version */
function versionOf({ etag, total }: BlobBody): Digest | undefined {
  if (etag === undefined && total === undefined) return undefined
  return digestOf(Buffer.from(JSON.stringify([etag ?? '', total ?? ''])))
}

/** Closes a body that may not have been read. */
async function closed(body: BlobBody): Promise<void> {
  await body[Symbol.asyncIterator]().return?.()
}
