import {
  createServer,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer, Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { type ConnectionLimits, limitConnections } from './connection-limits.ts'
import { slowReaders } from './slow-readers.ts'
import { type Tls, tlsOptions } from './tls.ts'

export interface ListenOptions {
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  readonly tls?: Tls
  readonly limits?: Partial<Limits>
  /** Any number without. */
  readonly connections?: ConnectionLimits
}

/** Milliseconds. */
export interface Limits {
  /** Until a request's headers are complete. */
  readonly headers: number
  /** Until a request is complete. */
  readonly request: number
  /** Of a connection between requests. BuildKit keeps its own for 120 s and must not meet our closing of it. */
  readonly keepAlive: number
  /** Without a byte accepted by a client that has bytes to read. */
  readonly stall: number
  /** For the next piece of a blob, up to 1 MiB, to be accepted in whole by a client that accepts a byte now and then. */
  readonly piece: number
}

export interface HttpServerHandle {
  readonly port: number
  readonly url: string
  /** Connections that come from now on are encrypted with this. @throws what OpenSSL says, and then goes on as before */
  setTls(tls: Tls): void
  /**
   * Stops accepting, lets the answers that have begun come to their end for at most `grace` milliseconds, and destroys what
   * remains. Resolves when no connection is left.
   */
  close(grace: number): Promise<void>
}

const DEFAULTS: Limits = {
  headers: 15_000,
  request: 30_000,
  keepAlive: 125_000,
  stall: 60_000,
  piece: 600_000,
}
const MAX_HEADER_BYTES = 16 * 1024

/** Serves `listener` over HTTP or HTTPS. @throws what `net.Server` throws when the address cannot be had. */
export async function listen(
  listener: RequestListener,
  { host, port, tls, limits, connections }: ListenOptions,
): Promise<HttpServerHandle> {
  const { headers, request, keepAlive, stall, piece } = { ...DEFAULTS, ...limits }
  const options: ServerOptions = {
    headersTimeout: headers,
    requestTimeout: request,
    keepAliveTimeout: keepAlive,
    connectionsCheckingInterval: Math.min(5000, Math.ceil(headers / 2)),
    maxHeaderSize: MAX_HEADER_BYTES,
    // Refused by `validate-request.ts`, with an answer that says why.
    requireHostHeader: false,
  }
  const server: Server =
    tls === undefined ? createServer(options) : createTlsServer({ ...options, ...tlsOptions(tls, headers) })
  // By default Node drops what is over 2000 headers without a word; the byte limit bounds them anyway.
  server.maxHeadersCount = 0
  server.timeout = stall
  if (connections) limitConnections(server, connections)
  // By connection, and not a set of answers: what comes and goes so often makes a collection rehash all the time, and V8 keeps
  // what the old tables held until its next full collection.
  const answering = new Map<Socket, ServerResponse | undefined>()
  const slow = slowReaders(answering, piece)
  let draining = false
  function endIfStalled(this: ServerResponse): void {
    endStalled(this, stall)
  }

  const serve: RequestListener = (incoming, outgoing) => {
    // A pipelined request waits for its turn: until then Node would not tell it that the connection is gone.
    if (outgoing.socket === null) return void outgoing.once('socket', () => serve(incoming, outgoing))
    const { socket } = outgoing
    if (!answering.has(socket)) socket.once('close', () => answering.delete(socket))
    answering.set(socket, outgoing)
    outgoing
      .on('timeout', endIfStalled)
      // What a late write to a lost connection throws. Its 'close' event has said so already.
      .on('error', ignore)
      .on('close', () => {
        if (answering.get(socket) === outgoing) answering.set(socket, undefined)
        if (draining) setImmediate(() => server.closeIdleConnections())
      })
    // Node drops what came in one piece with a wish to upgrade, which may be part of the next request.
    if (draining || incoming.headers.upgrade !== undefined) outgoing.setHeader('Connection', 'close')
    listener(incoming, outgoing)
  }
  // The others too, so that nobody is invited to send a body that will be refused, and every answer is ours.
  server.on('request', serve).on('checkContinue', serve).on('checkExpectation', serve)

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const address = server.address() as AddressInfo

  return {
    port: address.port,
    url: `${tls === undefined ? 'http' : 'https'}://${urlHost(address)}:${address.port}`,
    setTls(tls) {
      if (server instanceof TlsServer) server.setSecureContext(tlsOptions(tls, headers))
    },
    async close(grace) {
      draining = true
      for (const outgoing of answering.values()) {
        if (outgoing?.headersSent === false) outgoing.setHeader('Connection', 'close')
      }
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeIdleConnections()
      const timer = setTimeout(() => server.closeAllConnections(), grace)
      await closed
      clearTimeout(timer)
      slow[Symbol.dispose]()
    },
  }
}

/**
 * Node raises 'timeout' when a connection has been idle. That is the client's fault only when bytes wait for it; otherwise we
 * are the ones who wait, for upstream, which has limits of its own.
 */
function endStalled({ socket }: ServerResponse, stall: number): void {
  if (socket === null) return
  if (socket.writableLength > 0) socket.destroy()
  else socket.setTimeout(stall)
}

function ignore(): void {}

function urlHost({ address, family }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]` : address
}
