import type { ServerResponse } from 'node:http'
import type { Connection } from './running-answers.ts'

/**
 * Destroys the connection of a client that takes longer than `pieceTimeout` milliseconds for a piece. Each
 * piece holds a buffer, and a client that accepts a byte a minute would hold it for ever without being idle.
 */
export function destroySlowReaders(
  connections: ReadonlyMap<unknown, Pick<Connection, 'socket' | 'outgoing'>>,
  pieceTimeout: number,
): Disposable {
  /** The bytes handed to the socket, and since when. The count grows when a piece was accepted. */
  const seen = new WeakMap<ServerResponse, { readonly handed: number; readonly since: number }>()

  function check(): void {
    const now = performance.now()
    for (const { socket, outgoing } of connections.values()) {
      if (outgoing === undefined || socket.writableLength === 0) continue
      const last = seen.get(outgoing)
      if (last?.handed !== socket.bytesWritten)
        seen.set(outgoing, { handed: socket.bytesWritten, since: now })
      else if (now - last.since >= pieceTimeout) socket.destroy()
    }
  }

  const timer = setInterval(check, Math.ceil(pieceTimeout / 4)).unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
