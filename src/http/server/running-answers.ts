import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { destroySlowReaders } from './slow-readers.ts'

/** A connection on which requests have arrived. */
export interface Connection {
  readonly socket: Socket
  /** The answer that runs on it. */
  outgoing: ServerResponse | undefined
  /** The answer that ran at the last check for stalled ones. */
  seen: ServerResponse | undefined
  /** Whether it ends after its running answer. */
  isRetired: boolean
}

/**
 * The running answers of a server: ends those whose client has stalled, and lets the others end on shutdown.
 */
export class RunningAnswers implements Disposable {
  readonly #server: Server
  readonly #stallTimeout: number
  // A map by connection, no set of answers: a set that changes with each request rehashes all the time, and
  // V8 keeps what the old tables held until its next full collection.
  readonly #connections = new Map<Socket, Connection>()
  readonly #slowReaders: Disposable
  readonly #timer: NodeJS.Timeout
  #isDraining = false

  /**
   * @param timeouts milliseconds without a byte accepted by a client (`stall`), and for a piece to be
   * accepted in whole (`piece`)
   */
  constructor(server: Server, timeouts: { readonly stall: number; readonly piece: number }) {
    this.#server = server
    this.#stallTimeout = timeouts.stall
    // Of the server, and not of each answer: an idle connection has none.
    server.on('timeout', this.#endIfStalled)
    this.#slowReaders = destroySlowReaders(this.#connections, timeouts.piece)
    this.#timer = setInterval(this.#watchLongAnswers, Math.ceil(timeouts.stall / 4)).unref()
  }

  /** Follows an answer on `socket` until it is closed. */
  add(outgoing: ServerResponse, socket: Socket): void {
    const connection = this.#connections.get(socket) ?? this.#connect(socket)
    connection.outgoing = outgoing
    outgoing
      // A late write to a lost connection fails. The 'close' event has reported the loss already.
      .on('error', ignore)
      .on('close', () => {
        if (connection.outgoing === outgoing) connection.outgoing = connection.seen = undefined
        if (connection.isRetired) socket.destroySoon()
        if (this.#isDraining) setImmediate(() => this.#server.closeIdleConnections())
      })
    if (this.#isDraining || connection.isRetired) outgoing.setHeader('Connection', 'close')
  }

  /** Closes idle connections now, and every other connection after its running answer. */
  drain(): void {
    this.#isDraining = true
    for (const { outgoing } of this.#connections.values()) {
      if (outgoing?.headersSent === false) outgoing.setHeader('Connection', 'close')
    }
    this.#server.closeIdleConnections()
  }

  /** Ends a connection: now when it is idle, otherwise after its running answer. */
  readonly retire = (socket: Socket): void => {
    const connection = this.#connections.get(socket)
    if (connection?.outgoing === undefined) return void socket.destroy()
    connection.isRetired = true
    if (!connection.outgoing.headersSent) connection.outgoing.setHeader('Connection', 'close')
  };

  [Symbol.dispose](): void {
    this.#slowReaders[Symbol.dispose]()
    clearInterval(this.#timer)
  }

  #connect(socket: Socket): Connection {
    const connection = { socket, outgoing: undefined, seen: undefined, isRetired: false }
    this.#connections.set(socket, connection)
    socket.once('close', () => this.#connections.delete(socket))
    return connection
  }

  /**
   * Gives an answer that runs for a while the timeout of its connection. Most end before: a timer for each
   * would cost a twentieth of a small answer.
   */
  readonly #watchLongAnswers = (): void => {
    for (const connection of this.#connections.values()) {
      const { socket, outgoing, seen } = connection
      if (outgoing !== undefined && outgoing === seen && socket.timeout !== this.#stallTimeout)
        socket.setTimeout(this.#stallTimeout)
      connection.seen = outgoing
    }
  }

  /**
   * Node emits 'timeout' when a connection has been idle. Without a running answer, it ends. With one, the
   * client caused that only if bytes wait for it. Otherwise the answer waits for upstream, which has timeouts
   * of its own.
   */
  readonly #endIfStalled = (socket: Socket): void => {
    if (socket.writableLength > 0 || this.#connections.get(socket)?.outgoing === undefined) socket.destroy()
    else socket.setTimeout(this.#stallTimeout)
  }
}

function ignore(): void {}
