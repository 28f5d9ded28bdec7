import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http'
import { createServer as createTlsServer, Server as TlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { type ConnectionLimits, limitConnections } from './connection-limits.ts'
import { followClientCertificates } from './client-certificates.ts'
import { oneByOne } from './pipelining.ts'
import { RunningAnswers } from './running-answers.ts'
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
  /** Time to accept a piece of a blob, up to 2 MiB, in whole. */
  readonly piece: number
}

/** A listening server. */
export interface HttpServerHandle {
  readonly port: number
  readonly url: string
  /** How many connections are open. */
  connections(): Promise<number>
  /**
   * Encrypts new connections with `tls`. When the authorities of client certificates change, connections end:
   * idle ones at once, others after their running answer.
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
 * Connections that wait to be accepted. The kernel lowers it to its own limit (`net.core.somaxconn`). With
 * Node's 511, a burst beside a busy event loop loses connections, which clients repeat after seconds.
 */
const BACKLOG = 65_535

/**
 * Serves `listener` over HTTP or HTTPS.
 *
 * @throws the error of `net.Server` when the address is not available
 */
export async function listen(
  listener: RequestListener,
  { host, port, tls, connections, ...options }: ListenOptions,
): Promise<HttpServerHandle> {
  const timeouts = { ...DEFAULTS, ...options.timeouts }
  const server = buildServer(tls, timeouts)
  if (connections) limitConnections(server, connections)
  const answers = new RunningAnswers(server, timeouts)
  let clientCa = tls?.clientCa
  const certificates =
    server instanceof TlsServer ? followClientCertificates(server, answers.retire) : undefined

  const serve = oneByOne((incoming, outgoing) => {
    answers.add(outgoing, incoming.socket)
    // Node drops the bytes that follow an upgrade request, which may be part of the next request.
    if (incoming.headers.upgrade !== undefined) outgoing.setHeader('Connection', 'close')
    listener(incoming, outgoing)
  })
  // Without the other two, Node would invite clients to send a body, or answer an expectation itself.
  server.on('request', serve).on('checkContinue', serve).on('checkExpectation', serve)

  const address = await start(server, host, port)
  return {
    port: address.port,
    url: `${tls === undefined ? 'http' : 'https'}://${urlHost(address)}:${address.port}`,
    connections: promisify(server.getConnections.bind(server)),
    setTls(tls) {
      if (!(server instanceof TlsServer)) return
      server.setSecureContext(tlsOptions(tls, timeouts.headers))
      // Who was let in by the old authorities has to show a certificate again.
      if (tls.clientCa !== clientCa) certificates?.endAll()
      clientCa = tls.clientCa
    },
    async close(grace) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      answers.drain()
      const timer = setTimeout(() => server.closeAllConnections(), grace)
      await closed
      clearTimeout(timer)
      answers[Symbol.dispose]()
    },
  }
}

function buildServer(tls: Tls | undefined, { headers, request, keepAlive }: Timeouts): Server {
  const options: ServerOptions = {
    headersTimeout: headers,
    requestTimeout: request,
    keepAliveTimeout: keepAlive,
    connectionsCheckingInterval: Math.min(5000, Math.ceil(headers / 2)),
    maxHeaderSize: MAX_HEADER_BYTES,
    // A request without a body needs no stream for it, which costs a tenth of a small answer.
    optimizeEmptyRequests: true,
    // `validate-request.ts` refuses such a request, with an answer that says why.
    requireHostHeader: false,
  }
  const server =
    tls === undefined ? createServer(options) : createTlsServer({ ...options, ...tlsOptions(tls, headers) })
  // By default Node silently drops headers after the 2000th. `maxHeaderSize` bounds them already.
  server.maxHeadersCount = 0
  return server
}

function start(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen({ port, host, backlog: BACKLOG }, () => {
      server.off('error', reject)
      resolve(server.address() as AddressInfo)
    })
  })
}

function urlHost({ address, family }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]` : address
}
