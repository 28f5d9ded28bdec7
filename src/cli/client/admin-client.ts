import { Readable } from 'node:stream'
import { Agent, type Dispatcher, request } from 'undici'
import { pinnedCertificate } from './pinned-certificate.ts'
import { brokenOff, noAdminApi, noAnswer, refusal } from './refusals.ts'

/** How to reach an admin listener. */
export interface Connection {
  /** Without a slash at the end: `https://cache.internal:5001`. */
  readonly url: string
  readonly token?: string
  /** PEM. The server is known by this certificate. */
  readonly certificate?: string
  /** PEM. The authorities that sign the server's certificate; without both, those of the system do. */
  readonly authorities?: string
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/**
 * Sends requests to the admin API, without a timeout. All methods throw Error when it does not answer, or
 * refuses.
 */
export interface AdminClient {
  json<T>(method: Method, path: string, content?: object): Promise<T>
  /** One JSON value a line. @throws Error when a line is an `{error}` */
  lines<T extends object>(
    method: Method,
    path: string,
    content: object,
    signal?: AbortSignal,
  ): AsyncIterable<T>
  /** The bytes of an answer, and how many they are. */
  download(path: string): Promise<{ readonly bytes: number; readonly body: AsyncIterable<Buffer> }>
  /** Sends bytes; `type` is their media type. */
  upload<T>(path: string, bytes: AsyncIterable<Uint8Array>, type: string): Promise<T>
  /** @returns the status, 2xx or `allowed`. */
  status(method: Method, path: string, content: object, allowed?: number): Promise<number>
}

export function adminClient(connection: Connection): AdminClient {
  const { url, token, certificate, authorities } = connection
  const dispatcher =
    certificate !== undefined
      ? pinnedCertificate(certificate)
      : authorities !== undefined
        ? new Agent({ connect: { ca: authorities } })
        : undefined

  return {
    async json<T>(method: Method, path: string, content?: object) {
      return jsonIn<T>(await send(method, path, jsonOf(content)))
    },
    async *lines<T extends object>(method: Method, path: string, content: object, signal?: AbortSignal) {
      const { body } = await send(method, path, jsonOf(content))
      signal?.addEventListener('abort', () => body.destroy(), { once: true })
      for await (const line of linesOf(whole(body))) {
        const value = parsed<T | { readonly error: string }>(line)
        if ('error' in value) throw new Error(`${url}: ${value.error}`)
        yield value
      }
    },
    async download(path) {
      const { headers, body } = await send('GET', path)
      return { bytes: Number(headers['content-length']), body }
    },
    async upload<T>(path: string, bytes: AsyncIterable<Uint8Array>, type: string) {
      // Reading them may fail, which is not the listener's fault.
      let failure: { readonly error: unknown } | undefined
      const watched = throwing(bytes, (error) => {
        failure = { error }
        return error
      })
      const body = Readable.from(watched, { objectMode: false })
      const response = await send('POST', path, body, type).catch((error: unknown) => {
        throw failure === undefined ? error : failure.error
      })
      return jsonIn<T>(response)
    },
    async status(method, path, content, allowed) {
      const { statusCode, body } = await send(method, path, jsonOf(content), JSON_TYPE, allowed)
      await body.dump()
      return statusCode
    },
  }

  async function send(
    method: Method,
    path: string,
    content?: string | Readable,
    type = JSON_TYPE,
    allowed?: number,
  ): Promise<Dispatcher.ResponseData> {
    const response = await request(`${url}/api/v1/${path}`, {
      method,
      headersTimeout: 0,
      bodyTimeout: 0,
      headers: {
        ...(content !== undefined && { 'Content-Type': type }),
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      },
      ...(content !== undefined && { body: content }),
      ...(dispatcher && { dispatcher }),
    }).catch((error: unknown) => {
      throw noAnswer(connection, error)
    })
    if (response.statusCode < 300 || response.statusCode === allowed) return response
    throw refusal(connection, response.statusCode, await response.body.text())
  }

  async function jsonIn<T>({ body }: Dispatcher.ResponseData): Promise<T> {
    const pieces = await Array.fromAsync(whole(body))
    return parsed<T>(Buffer.concat(pieces).toString())
  }

  /** The bytes of an answer. @throws Error that says that it broke off */
  function whole(body: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    return throwing(body, (error) => brokenOff(connection, error))
  }

  function parsed<T>(text: string): T {
    try {
      return JSON.parse(text) as T
    } catch (error) {
      throw noAdminApi(connection, error)
    }
  }
}

/** The same, where what reading them throws is told otherwise. What the reader throws is the reader's. */
async function* throwing<T>(pieces: AsyncIterable<T>, told: (error: unknown) => unknown): AsyncGenerator<T> {
  const iterator = pieces[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { done, value } = await iterator.next().catch((error: unknown) => {
        throw told(error)
      })
      if (done === true) return
      yield value
    }
  } finally {
    await iterator.return?.()
  }
}

const JSON_TYPE = 'application/json'

function jsonOf(content: object | undefined): string | undefined {
  return content && JSON.stringify(content)
}

async function* linesOf(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop()!
    yield* lines
  }
}
