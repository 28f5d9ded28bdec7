import { setTimeout as sleep } from 'node:timers/promises'
import type { Interval } from '../util/interval-set.ts'
import type { BlobReader } from '../ports/blob-store.ts'
import type { Exchange } from './exchange.ts'
import type { Accel } from './accel.ts'
import type { ClientRates } from './client-rates.ts'
import type { HeldPiece } from './pieces/held-piece.ts'
import type { Pieces } from './pieces/pieces.ts'
import type { LaterPieces } from './server/later-pieces.ts'

const GONE = 'the client closed the connection'

/** How blobs are sent. */
export interface BlobSending {
  readonly pieces: Pieces
  /** Without it, a client gets what it can take. */
  readonly rates?: ClientRates | undefined
  /** Without it, each blob goes on at once. */
  readonly later?: LaterPieces | undefined
  /** Without it, this process sends every byte. */
  readonly accel?: Accel | undefined
  /** Whether the client of this address fetches blobs elsewhere, where they are. Without it, none does. */
  readonly mayRedirect?: ((address: string) => boolean) | undefined
}

/**
 * Sends the bytes of `part`. Reads the next piece while it writes the last one, unless many readers do: then
 * it waits until the socket has room. A buffer is reused only after the kernel has taken all of it, so the
 * socket sets the pace.
 *
 * Calls `begin` to write the headers once the first piece is there, or at once for a blob that is promised. A
 * failure before that can still be answered. After a later failure the caller must destroy the connection:
 * the client would believe a clean end, and would take the next answer on the connection for the rest of a
 * short body.
 *
 * @throws the error of a read
 * @throws RegistryError STORAGE when the blob ends before `part` does.
 */
export async function sendBlob(
  exchange: Exchange,
  reader: BlobReader,
  part: Interval,
  { pieces, rates, later }: BlobSending,
  begin: () => void,
): Promise<void> {
  const { outgoing } = exchange
  // Node then fails an answer that is longer or shorter than its headers say. It costs a small answer a tenth.
  outgoing.strictContentLength = true
  const held = new Set<HeldPiece>()

  function pieceAt(position: number): HeldPiece {
    // Its reader is disposed of by then.
    if (outgoing.destroyed) throw new Error(GONE)
    const piece = pieces.hold(reader, position, part.end)
    held.add(piece)
    return piece
  }

  try {
    let position = part.start
    if (reader.isPromised) {
      begin()
      outgoing.flushHeaders()
    }
    let piece = position < part.end ? pieceAt(position) : undefined
    let bytes = await piece?.bytes
    if (!reader.isPromised) begin()
    while (piece !== undefined && bytes !== undefined) {
      position += bytes.length
      const isLast = position === part.end
      const next = isLast || rates !== undefined || pieces.isCrowded ? undefined : pieceAt(position)
      await written(exchange, bytes, isLast)
      held.delete(piece)
      piece.release(false)
      if (rates !== undefined && !isLast) await pause(exchange, rates.charge(exchange.client, bytes.length))
      if (!isLast && next === undefined) await later?.turn(exchange.client)
      piece = isLast ? undefined : (next ?? pieceAt(position))
      bytes = await piece?.bytes
    }
    if (!outgoing.writableEnded) outgoing.end()
  } finally {
    // Until then the kernel takes bytes of what was being written.
    if (held.size > 0) whenClosed(exchange, () => held.forEach((piece) => piece.release(true)))
  }
}

function whenClosed({ outgoing }: Exchange, then: () => void): void {
  if (outgoing.closed) then()
  else outgoing.once('close', then)
}

/** Holds nothing meanwhile. @throws AbortError when the client leaves */
async function pause(exchange: Exchange, milliseconds: number): Promise<void> {
  if (milliseconds > 0) await sleep(milliseconds, undefined, { signal: exchange.signal })
}

/** Resolves when the kernel has all of `bytes`; for the last piece, when it has the whole answer. */
function written(exchange: Exchange, bytes: Buffer, isLast: boolean): Promise<void> {
  const { outgoing } = exchange
  return new Promise((resolve, reject) => {
    // Node never calls back a write or an end that the closing of the socket overtakes.
    const gone = () => reject(new Error(GONE))
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
