import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'

/** Requests of a connection that may wait for the answer to an earlier one. No client sends as many ahead. */
const MOST_WAITING = 64

/**
 * A listener that gets the pipelined requests of a connection one after the other: a request has no socket
 * until its turn, and until then Node would not report a lost connection. One packet holds a thousand short
 * requests, so that a connection that sends too many ahead is ended (SEC-80).
 */
export function oneByOne(listener: RequestListener): RequestListener {
  const waiting = new WeakMap<Socket, number>()
  return (incoming, outgoing) => {
    if (outgoing.socket !== null) return listener(incoming, outgoing)
    const { socket } = incoming
    const count = (waiting.get(socket) ?? 0) + 1
    if (count > MOST_WAITING) return void socket.destroy()
    waiting.set(socket, count)
    outgoing.once('socket', () => {
      waiting.set(socket, waiting.get(socket)! - 1)
      listener(incoming, outgoing)
    })
  }
}
