/** A client that shows every byte on the wire: desync, HEAD bodies, pipelining, broken ends. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface RawResponse {
  readonly status: number
  /** By lower-case name. Repeated fields are joined by a comma. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export class RawClient implements Disposable {
  readonly socket: Socket
  #chunks: Buffer[] = []
  #length = 0
  #isOver = false
  #wake = Promise.withResolvers<void>()
  /** The error that ended the connection; undefined after a clean end. */
  error?: NodeJS.ErrnoException

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#length += chunk.length
      this.#changed()
    })
    socket.on('error', (error) => (this.error = error))
    socket.on('close', () => {
      this.#isOver = true
      this.#changed()
    })
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1' })
    await once(socket, 'connect')
    return new RawClient(socket)
  }

  /** Sends text verbatim. */
  send(text: string): this {
    this.socket.write(text, 'latin1')
    return this
  }

  /** Sends a well-formed request line, Host and `headers`. */
  request(method: string, path: string, headers: readonly string[] = []): this {
    return this.send([`${method} ${path} HTTP/1.1`, 'Host: localhost', ...headers, '', ''].join('\r\n'))
  }

  /** Reads the next response, which must have a Content-Length or answer a HEAD. */
  async response(method = 'GET'): Promise<RawResponse> {
    const head = await this.#takeHead()
    const [statusLine, ...lines] = head.toString('latin1').trimEnd().split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine!)?.[1])
    if (Number.isNaN(status)) throw new Error(`not a response: ${head.toString('latin1').slice(0, 200)}`)
    const headers: Record<string, string> = {}
    for (const line of lines) {
      const [name, value] = [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]
      headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
    }
    const hasBody = method !== 'HEAD' && status !== 304 && status >= 200
    const length = hasBody ? Number(headers['content-length'] ?? Number.NaN) : 0
    if (Number.isNaN(length)) throw new Error('a response without Content-Length')
    return { status, headers, body: await this.#take(length) }
  }

  /** Reads until the connection ends. */
  async rest(): Promise<Buffer> {
    while (!this.#isOver) await this.#wake.promise
    return this.#joined()
  }

  /** Resolves when at least this many unread bytes have arrived. */
  async received(bytes: number): Promise<void> {
    while (this.#length < bytes) {
      if (this.#isOver) {
        throw new Error(`closed after ${this.#length} bytes of ${bytes}`, { cause: this.error })
      }
      await this.#wake.promise
    }
  }

  /** What came so far and nobody took. */
  peek(): Buffer {
    return this.#joined()
  }

  async #take(length: number): Promise<Buffer> {
    await this.received(length)
    const all = this.#joined()
    this.#chunks = [all.subarray(length)]
    this.#length -= length
    return all.subarray(0, length)
  }

  async #takeHead(): Promise<Buffer> {
    for (;;) {
      const end = this.#joined().indexOf('\r\n\r\n')
      if (end >= 0) return await this.#take(end + 4)
      await this.received(this.#length + 1)
    }
  }

  #joined(): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0]!
  }

  #changed(): void {
    this.#wake.resolve()
    this.#wake = Promise.withResolvers()
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}

/** Sends one request on its own connection. */
export async function call(
  port: number,
  method: string,
  path: string,
  headers: readonly string[] = [],
): Promise<RawResponse> {
  using client = await RawClient.connect(port)
  return await client.request(method, path, headers).response(method)
}
