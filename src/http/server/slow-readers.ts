import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Destroys the connections of clients that take longer than `patience` milliseconds for a piece: each holds a buffer, and one
 * that accepts a byte a minute would hold it for ever without ever being idle.
 */
export function slowReaders(
  answering: ReadonlyMap<Socket, ServerResponse | undefined>,
  patience: number,
): Disposable {
  /** Bytes handed to the socket, which is as many pieces as have been accepted and one, and since when it has been so many. */
  const seen = new WeakMap<ServerResponse, { readonly handed: number; readonly since: number }>()

  function look(): void {
    const now = performance.now()
    for (const [socket, outgoing] of answering) {
      if (outgoing === undefined || socket.writableLength === 0) continue
      const last = seen.get(outgoing)
      if (last?.handed !== socket.bytesWritten)
        seen.set(outgoing, { handed: socket.bytesWritten, since: now })
      else if (now - last.since >= patience) socket.destroy()
    }
  }

  const timer = setInterval(look, Math.ceil(patience / 4)).unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
