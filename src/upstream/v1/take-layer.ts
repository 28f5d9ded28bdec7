import { setTimeout as delay } from 'node:timers/promises'
import { type Digest, digestFrom, digestOf, hasherFor } from '../../oci/digest.ts'
import { isRegistryError } from '../../oci/errors.ts'
import type { BlobIngest, BlobStore } from '../../ports/blob-store.ts'
import type { BlobBody } from '../../ports/upstream.ts'
import type { V1Content } from '../../ports/v1-images.ts'
import { invalidAnswer } from '../failures.ts'

export interface TakeLayerOptions {
  readonly blobs: Pick<BlobStore, 'ingest' | 'stat'>
  /** Of the upstream, for the ingest. */
  readonly origin: string
  /** Names the layer among all that are taken. */
  readonly key: string
  /** Bytes at most. */
  readonly mostBytes: number
  /** Opens the layer from a byte on. undefined = the registry does not have it. */
  readonly open: (start: number, signal: AbortSignal) => Promise<BlobBody | undefined>
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
 * a digest that is made of its name, so that they count in the quota, and are continued after a failure or a
 * restart. When all are there, they are hashed, and committed under what they hash to.
 *
 * @throws RegistryError UPSTREAM_INVALID when it is too long, or upstream does not have it
 */
export async function takeLayer(id: string, options: TakeLayerOptions): Promise<V1Content> {
  const { blobs, key, origin, open, signal, mostBytes } = options
  const provisional = digestOf(Buffer.from(`v1 ${key}`))
  let furthest = 0
  for (let failures = 0; ;) {
    await using ingest = await blobs.ingest({ digest: provisional, origin: `v1 ${origin}` })
    try {
      const size = await fill(ingest)
      if (size === 'from the start') continue
      const digest = await digestOfAll(ingest, size)
      await commit(ingest, { id, digest, size })
      return { id, digest, size }
    } catch (error) {
      const isOutage = isRegistryError(error, 'UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMEOUT', 'UPSTREAM_LIMITED')
      if (isOutage || signal.aborted) await ingest.keep()
      const reached = ingest.filled.filledFrom(0)
      failures = reached >= furthest + PROGRESS ? 1 : failures + 1
      furthest = Math.max(furthest, reached)
      if (!isOutage || signal.aborted || failures >= ATTEMPTS) throw error
      await delay(PAUSE * 2 ** failures, undefined, { signal })
    }
  }

  /** @returns how long it is; 'from the start' when bytes before the wanted ones came */
  async function fill(ingest: BlobIngest): Promise<number | 'from the start'> {
    const start = ingest.filled.filledFrom(0)
    const body = await open(start, signal)
    if (body === undefined) throw invalid('has no layer of it')
    const chunks = body[Symbol.asyncIterator]()
    try {
      if (body.total !== undefined && body.total > mostBytes)
        throw invalid(`says that it has ${body.total} bytes`)
      if (body.start !== start && start > 0) return 'from the start'
      if (body.start !== start) throw invalid('sends the middle of it')
      let end = start
      for await (const chunk of { [Symbol.asyncIterator]: () => chunks }) {
        end += chunk.length
        if (end > mostBytes) throw invalid(`sends more than ${mostBytes} bytes of it`)
        await ingest.write(chunk, end - chunk.length)
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
      yield buffer.subarray(0, count)
      position += count
    }
  }

  function invalid(what: string) {
    return invalidAnswer(origin, `image ${id.slice(0, 12)}: the registry ${what}`)
  }
}
