import type { Socket } from 'node:net'

/**
 * Resets a connection. One that is about to end is destroyed instead: libuv refuses to reset it, and Node takes it
 * for closed then, so that the process never ends.
 */
export function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}
