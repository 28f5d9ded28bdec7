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
  /** 0 = any free port. */
  readonly port: number
  readonly tls?: Tls
  readonly timeouts?: Partial<Timeouts>
  /** Without it, there is no limit. */
  readonly connections?: ConnectionLimits
}

/** Timeouts in milliseconds. */
export interface Timeouts {
  /** Time for the headers of a request to arrive. */
  readonly headers: number
  /** Time for a whole request to arrive. */
  readonly request: number
  /** Idle time between requests. BuildKit reuses connections for 120 s, so ours must stay open longer. */
  readonly keepAlive: number
  /** Time without a byte accepted, while bytes wait for the client. */
  readonly stall: number
  /** Time to accept a piece of a blob, up to 1 MiB, in whole. */
  readonly piece: number
}

/** A listening server. */
export interface HttpServerHandle {
  readonly port: number
  readonly url: string
  /**
   * Encrypts new connections with `tls`.
   *
   * @throws the error of OpenSSL, and then keeps the previous certificate
   */
  setTls(tls: Tls): void
  /**
   * Stops accepting connections, waits at most `grace` milliseconds for running answers to end, and destroys
   * the connections that remain. Resolves when no connection is left.
   */
  close(grace: number): Promise<void>
}

const DEFAULTS: Timeouts = {
  headers: 15_000,
  request: 30_000,
  keepAlive: 125_000,
  stall: 60_000,
  piece: 600_000,
}
const MAX_HEADER_BYTES = 16 * 1024

/**
 * Serves `listener` over HTTP or HTTPS.
 *
 * @throws the error of `net.Server` when the address is not available
 */
export async function listen(
  listener: RequestListener,
  { host, port, tls, timeouts, connections }: ListenOptions,
): Promise<HttpServerHandle> {
  const { headers, request, keepAlive, stall, piece } = { ...DEFAULTS, ...timeouts }
  const options: ServerOptions = {
    headersTimeout: headers,
    requestTimeout: request,
    keepAliveTimeout: keepAlive,
    connectionsCheckingInterval: Math.min(5000, Math.ceil(headers / 2)),
    maxHeaderSize: MAX_HEADER_BYTES,
    // `validate-request.ts` refuses such a request, with an answer that says why.
    requireHostHeader: false,
  }
  const server: Server =
    tls === undefined ? createServer(options) : createTlsServer({ ...options, ...tlsOptions(tls, headers) })
  // By default Node silently drops headers after the 2000th. `maxHeaderSize` bounds them already.
  server.maxHeadersCount = 0
  server.timeout = stall
  if (connections) limitConnections(server, connections)
  // A map by connection, no set of answers: a set that changes with each request rehashes all the time, and
  // V8 keeps what the old tables held until its next full collection.
  const answering = new Map<Socket, ServerResponse | undefined>()
  const slow = slowReaders(answering, piece)
  let draining = false
  function endIfStalled(this: ServerResponse): void {
    endStalled(this, stall)
  }

  const serve: RequestListener = (incoming, outgoing) => {
    // A pipelined request has no socket until its turn. Until then Node would not report a lost connection.
    if (outgoing.socket === null) return void outgoing.once('socket', () => serve(incoming, outgoing))
    const { socket } = outgoing
    if (!answering.has(socket)) socket.once('close', () => answering.delete(socket))
    answering.set(socket, outgoing)
    outgoing
      .on('timeout', endIfStalled)
      // A late write to a lost connection fails. The 'close' event has reported the loss already.
      .on('error', ignore)
      .on('close', () => {
        if (answering.get(socket) === outgoing) answering.set(socket, undefined)
        if (draining) setImmediate(() => server.closeIdleConnections())
      })
    // Node drops the bytes that follow an upgrade request, which may be part of the next request.
    if (draining || incoming.headers.upgrade !== undefined) outgoing.setHeader('Connection', 'close')
    listener(incoming, outgoing)
  }
  // Without the other two, Node would invite clients to send a body, or answer an expectation itself.
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
 * Node emits 'timeout' when a connection has been idle. The client caused that only if bytes wait for it.
 * Otherwise the answer waits for upstream, which has timeouts of its own.
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
