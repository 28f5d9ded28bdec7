import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { type Script, ScriptBook } from './script.ts'
import { type Answer, requestsOf, send, type WireRequest } from './wire.ts'
import { reset } from '../reset.ts'

/** One request as it came, and what it got. */
export interface RecordedRequest extends WireRequest {
  /** Without the query. */
  readonly path: string
  readonly connection: number
  /** Bytes of the body handed to the socket so far. */
  sentBytes: number
}

export interface ListenerOptions {
  /** Per connection. */
  readonly bytesPerSecond?: number
  readonly tls?: { readonly key: string; readonly cert: string }
}

/** An HTTP/1.1 server on a bare socket: answers with `answer`, bent by scripts, and remembers every request. */
export class FakeListener implements AsyncDisposable {
  readonly requests: RecordedRequest[] = []
  readonly #scripts = new ScriptBook()
  readonly #sockets = new Set<Socket>()
  /** Connections that stay open and say nothing more. */
  readonly #silent = new WeakSet<Socket>()
  readonly #server: Server
  readonly #options: ListenerOptions
  readonly #answer: (request: RecordedRequest) => Answer
  #port = 0
  #connection = 0

  constructor(answer: (request: RecordedRequest) => Answer, options: ListenerOptions = {}) {
    this.#answer = answer
    this.#options = options
    const accept = (socket: Socket): void => void this.#serve(socket)
    this.#server = options.tls === undefined ? createServer(accept) : createTlsServer(options.tls, accept)
    // A client that refuses our certificate is a case of the tests, not a fault of this server.
    this.#server.on('tlsClientError', () => {})
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket))
    })
  }

  /** `127.0.0.1:<port>` */
  get authority(): string {
    return `127.0.0.1:${this.#port}`
  }

  get url(): string {
    return `${this.#options.tls === undefined ? 'http' : 'https'}://${this.authority}`
  }

  get port(): number {
    return this.#port
  }

  /** How many connections are open now. */
  get connections(): number {
    return this.#sockets.size
  }

  /** Scripts are used in the order in which they were added, each for `times` requests. */
  on(match: string | RegExp, script: Script): this {
    this.#scripts.add(match, script)
    return this
  }

  /** From now on everything is answered right. */
  forgetScripts(): void {
    this.#scripts.clear()
  }

  find(method: string, match: string | RegExp): RecordedRequest[] {
    const matches = ({ path, target }: RecordedRequest): boolean =>
      typeof match === 'string' ? match === path : match.test(target)
    return this.requests.filter((request) => request.method === method && matches(request))
  }

  /** How many requests of this method came for this path. */
  count(method: string, match: string | RegExp): number {
    return this.find(method, match).length
  }

  /** Bytes of bodies sent for this path. */
  bodyBytes(match: string | RegExp): number {
    return this.find('GET', match).reduce((sum, { sentBytes }) => sum + sentBytes, 0)
  }

  /** Listens; after a `stop` on the same port as before. */
  async start(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** As if the process was killed: every connection is reset, new ones are refused. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) reset(socket)
    await closed
  }

  /**
   * From now on the connections that are open answer no further request, and nobody is told: as behind a
   * firewall that has forgotten them. New ones work.
   */
  silence(): void {
    for (const socket of this.#sockets) this.#silent.add(socket)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #serve(socket: Socket): Promise<void> {
    const gone = new AbortController()
    socket.on('error', () => {}).once('close', () => gone.abort())
    socket.setNoDelay(true)
    const connection = ++this.#connection
    try {
      for await (const wire of requestsOf(socket)) {
        const path = wire.target.split('?', 1)[0]!
        const request: RecordedRequest = { ...wire, path, connection, sentBytes: 0 }
        if (this.#silent.has(socket)) continue
        this.requests.push(request)
        const script = this.#scripts.take(request.method, request.target) ?? {}
        const keepAlive = await send(socket, this.#answer(request), {
          script,
          head: request.method === 'HEAD',
          bytesPerSecond: script.bytesPerSecond ?? this.#options.bytesPerSecond,
          signal: gone.signal,
          sent: (bytes) => (request.sentBytes += bytes),
        })
        if (!keepAlive) break
      }
      socket.end()
    } catch (error) {
      socket.destroy()
      // The client went away, or `stop` cut it off: its right, and nothing is left to answer.
      if (!gone.signal.aborted && !socket.errored) throw error
    }
  }
}
