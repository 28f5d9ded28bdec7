import { RegistryError } from '../oci/errors.ts'
import type { Interval } from '../util/interval-set.ts'
import type { BlobReader } from '../ports/blob-store.ts'
import type { BufferPool } from './buffer-pool.ts'
import type { Exchange } from './exchange.ts'

/**
 * Sends the bytes of `part`. Reads the next piece while it writes the last one, unless the pool is crowded. A
 * buffer is reused only after the kernel has taken all of it, so the socket sets the pace.
 *
 * Calls `begin` to write the headers once the first piece is there. A failure before that can still be
 * answered. After a later failure the caller must destroy the connection: the client would believe a clean
 * end, and would take the next answer on the connection for the rest of a short body.
 *
 * @throws the error of a read
 * @throws RegistryError STORAGE when the blob ends before `part` does.
 */
export async function sendBlob(
  exchange: Exchange,
  reader: BlobReader,
  part: Interval,
  pool: BufferPool,
  begin: () => void,
): Promise<void> {
  const { outgoing } = exchange
  const lent = new Set<Buffer>()

  async function pieceAt(position: number): Promise<Piece> {
    const left = part.end - position
    const buffer = pool.take(left)
    lent.add(buffer)
    const length = await reader.read(left < buffer.length ? buffer.subarray(0, left) : buffer, position)
    if (length === 0)
      throw new RegistryError('STORAGE', { digest: reader.descriptor.digest, endsAt: position })
    return { buffer, bytes: length === buffer.length ? buffer : buffer.subarray(0, length) }
  }

  try {
    let position = part.start
    let piece = position < part.end ? await pieceAt(position) : undefined
    begin()
    while (piece !== undefined) {
      const { buffer, bytes } = piece
      position += bytes.length
      const isLast = position === part.end
      const next = isLast || pool.isCrowded ? undefined : pieceAt(position)
      // A failed read is handled below, after the client got the piece before it and can resume from there.
      next?.catch(() => {})
      await written(exchange, bytes, isLast)
      lent.delete(buffer)
      pool.give(buffer)
      piece = isLast ? undefined : await (next ?? pieceAt(position))
    }
    if (!outgoing.writableEnded) outgoing.end()
  } finally {
    for (const buffer of lent) pool.forget(buffer)
  }
}

interface Piece {
  readonly buffer: Buffer
  /** The part of `buffer` that holds bytes of the blob. */
  readonly bytes: Buffer
}

/** Resolves when the kernel has all of `bytes`; for the last piece, when it has the whole answer. */
function written(exchange: Exchange, bytes: Buffer, isLast: boolean): Promise<void> {
  const { outgoing } = exchange
  return new Promise((resolve, reject) => {
    // Node never calls back a write or an end that the closing of the socket overtakes.
    const gone = () => reject(new Error('the client closed the connection'))
    if (outgoing.destroyed) return gone()
    outgoing.once('close', gone)
    const done = (error?: Error | null) => {
      outgoing.off('close', gone)
      if (error) {
        // The client is gone, but Node emits 'close' later.
        outgoing.destroy()
        return reject(error)
      }
      exchange.bytesSent += bytes.length
      resolve()
    }
    if (isLast) outgoing.end(bytes, done)
    else outgoing.write(bytes, done)
  })
}
