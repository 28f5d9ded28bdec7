import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { destroySlowReaders } from './slow-readers.ts'

/**
 * The running answers of a server: ends those whose client has stalled, and lets the others end on shutdown.
 */
export class RunningAnswers implements Disposable {
  readonly #server: Server
  readonly #stallTimeout: number
  // A map by connection, no set of answers: a set that changes with each request rehashes all the time, and
  // V8 keeps what the old tables held until its next full collection.
  readonly #bySocket = new Map<Socket, ServerResponse | undefined>()
  readonly #slowReaders: Disposable
  /** Connections that end after their running answer. */
  readonly #retired = new WeakSet<Socket>()
  #isDraining = false

  /**
   * @param timeouts milliseconds without a byte accepted by a client (`stall`), and for a piece to be
   * accepted in whole (`piece`)
   */
  constructor(server: Server, timeouts: { readonly stall: number; readonly piece: number }) {
    this.#server = server
    this.#stallTimeout = timeouts.stall
    server.timeout = timeouts.stall
    // Of the server, and not of each answer: an idle connection has none.
    server.on('timeout', this.#endIfStalled)
    this.#slowReaders = destroySlowReaders(this.#bySocket, timeouts.piece)
  }

  /** Follows an answer on `socket` until it is closed. */
  add(outgoing: ServerResponse, socket: Socket): void {
    const answers = this.#bySocket
    if (!answers.has(socket)) socket.once('close', () => answers.delete(socket))
    answers.set(socket, outgoing)
    outgoing
      // A late write to a lost connection fails. The 'close' event has reported the loss already.
      .on('error', ignore)
      .on('close', () => {
        if (answers.get(socket) === outgoing) answers.set(socket, undefined)
        if (this.#retired.has(socket)) socket.destroySoon()
        if (this.#isDraining) setImmediate(() => this.#server.closeIdleConnections())
      })
    if (this.#isDraining || this.#retired.has(socket)) outgoing.setHeader('Connection', 'close')
  }

  /** Closes idle connections now, and every other connection after its running answer. */
  drain(): void {
    this.#isDraining = true
    for (const outgoing of this.#bySocket.values()) {
      if (outgoing?.headersSent === false) outgoing.setHeader('Connection', 'close')
    }
    this.#server.closeIdleConnections()
  }

  /** Ends a connection: now when it is idle, otherwise after its running answer. */
  readonly retire = (socket: Socket): void => {
    this.#retired.add(socket)
    const outgoing = this.#bySocket.get(socket)
    if (outgoing === undefined) socket.destroy()
    else if (!outgoing.headersSent) outgoing.setHeader('Connection', 'close')
  };

  [Symbol.dispose](): void {
    this.#slowReaders[Symbol.dispose]()
  }

  /**
   * Node emits 'timeout' when a connection has been idle. Without a running answer, it ends. With one, the
   * client caused that only if bytes wait for it. Otherwise the answer waits for upstream, which has timeouts
   * of its own.
   */
  readonly #endIfStalled = (socket: Socket): void => {
    if (socket.writableLength > 0 || this.#bySocket.get(socket) === undefined) socket.destroy()
    else socket.setTimeout(this.#stallTimeout)
  }
}

function ignore(): void {}
