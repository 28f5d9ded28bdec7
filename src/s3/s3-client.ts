import { Agent, type Dispatcher, request } from 'undici'
import { RegistryError } from '../oci/errors.ts'
import type { RemoteTelemetry } from '../ports/telemetry.ts'
import { untilAborted } from '../util/async/until-aborted.ts'
import { circuit } from '../util/circuit.ts'
import { RequestSigner, type SignedRequest } from './request-signer.ts'
import type { S3CredentialSource } from './s3-credentials.ts'

export interface S3Options {
  /** The origin of the service, with a path where it has one. */
  readonly endpoint: string
  readonly bucket: string
  readonly region: string
  readonly credentials: S3CredentialSource
  readonly timeouts: S3Timeouts
  readonly telemetry: Pick<RemoteTelemetry, 'answered'>
  /** Epoch milliseconds. */
  readonly now?: () => number
}

/** Milliseconds. */
export interface S3Timeouts {
  readonly connect: number
  /** From the request to the last header of the response. */
  readonly headers: number
  /** Between two chunks of a body. */
  readonly idle: number
}

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Of the object; empty for the bucket itself. */
  readonly key: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
  /** Of `body`, in hex. S3 refuses the request when the bytes that arrive have another one. */
  readonly sha256?: string
  readonly signal?: AbortSignal | undefined
  /** Milliseconds for the headers of the answer, where a reader waits for no more than them. */
  readonly timeout?: number
}

export type S3Response = Dispatcher.ResponseData

/** SHA-256 of nothing. */
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
/** Bytes of an error document that are read. */
const LONGEST_ERROR = 64 * 1024

/** One bucket of an S3 service: signs requests, and turns failures into errors. */
export class S3Client implements AsyncDisposable {
  readonly #options: S3Options
  readonly #agent: Agent
  readonly #circuit = circuit(() => performance.now())
  readonly #signer: RequestSigner

  constructor(options: S3Options) {
    const { connect, headers, idle } = options.timeouts
    this.#options = options
    const { region, credentials, now = Date.now } = options
    this.#signer = new RequestSigner({ region, credentials, now })
    this.#agent = new Agent({
      connect: { timeout: connect },
      headersTimeout: headers,
      bodyTimeout: idle,
      connections: 64,
    })
  }

  /**
   * Sends a request. The caller reads the body of the response, or destroys it.
   *
   * @throws RegistryError for every status but 2xx, 404, 412 and 416.
   */
  async send(operation: string, asked: S3Request): Promise<S3Response> {
    if (!this.#circuit.mayTry()) {
      throw new RegistryError('UPSTREAM_UNAVAILABLE', { ...this.#detail(operation), reason: 'out' })
    }
    const { response, credentials } = await this.#attempt(operation, asked)
    const { statusCode: status, headers } = response
    // S3 refuses a signature by either.
    if (status !== 400 && status !== 403) return this.#accept(operation, response)
    const code = await errorCode(response)
    this.#circuit.succeeded()
    const mending = this.#signer.canMend(code, headers['date'], credentials)
    if (!(await this.#inTime(operation, mending, asked))) throw this.#refused(operation, status, code)
    return this.#accept(operation, (await this.#attempt(operation, asked)).response)
  }

  /** The path that names an object to `x-amz-copy-source`. */
  pathOf(key: string): string {
    return `/${this.#options.bucket}/${key}`
  }

  /** A URL that lets whoever has it GET the object for so many seconds, at `endpoint`. */
  presign(key: string, seconds: number, endpoint = this.#options.endpoint): Promise<string> {
    return this.#signer.presign(this.#url(key, {}, endpoint), seconds)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy()
  }

  async #attempt(
    operation: string,
    { method, key, query, body, ...rest }: S3Request,
  ): Promise<SignedRequest & { readonly response: S3Response }> {
    const url = this.#url(key, query, this.#options.endpoint)
    const headers = { ...rest.headers, 'x-amz-content-sha256': rest.sha256 ?? EMPTY }
    const signed = await this.#inTime(operation, this.#signer.sign(method, url, headers), rest)
    const startedAt = performance.now()
    const answered = (status?: number): void =>
      this.#options.telemetry.answered(operation, status, (performance.now() - startedAt) / 1000)
    const once = (): Promise<S3Response> =>
      request(url, {
        method,
        headers: signed.headers,
        dispatcher: this.#agent,
        ...(body && { body }),
        ...(rest.signal && { signal: rest.signal }),
        ...(rest.timeout !== undefined && { headersTimeout: rest.timeout }),
      })
    try {
      // The service may have closed an idle connection just now. Every request may be repeated.
      const response = await once().catch((error: unknown) =>
        isReset(error) ? once() : Promise.reject(error),
      )
      answered(response.statusCode)
      return { ...signed, response }
    } catch (error) {
      if (rest.signal?.aborted) throw rest.signal.reason
      answered()
      this.#circuit.failed()
      throw this.failure(operation, error)
    }
  }

  /** What may have to fetch credentials first. That takes no longer than an answer may. */
  async #inTime<T>(
    operation: string,
    work: Promise<T>,
    { signal, timeout = this.#options.timeouts.headers }: Pick<S3Request, 'signal' | 'timeout'>,
  ): Promise<T> {
    const late = AbortSignal.timeout(timeout)
    try {
      return await untilAborted(work, signal ? AbortSignal.any([signal, late]) : late)
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      this.#circuit.failed()
      if (!late.aborted) throw error
      const reason = 'no credentials in time'
      throw new RegistryError('UPSTREAM_TIMEOUT', { ...this.#detail(operation), reason }, { cause: error })
    }
  }

  /** The error for a request, or a body, that the network or the service broke off. */
  failure(operation: string, error: unknown): RegistryError {
    if (error instanceof RegistryError) return error
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'connection failed'
    const code = /TIMEOUT/.test(reason) ? 'UPSTREAM_TIMEOUT' : 'UPSTREAM_UNAVAILABLE'
    return new RegistryError(code, { ...this.#detail(operation), reason }, { cause: error })
  }

  async #accept(operation: string, response: S3Response): Promise<S3Response> {
    const { statusCode: status } = response
    if (status >= 500 || status === 429) this.#circuit.failed()
    else this.#circuit.succeeded()
    this.#signer.followClock(response.headers['date'])
    if (status < 300 || status === 404 || status === 412 || status === 416) return response
    throw this.#refused(operation, status, await errorCode(response))
  }

  #refused(operation: string, status: number, code: string | undefined): RegistryError {
    const isDenied = status === 401 || status === 403
    return new RegistryError(isDenied ? 'UPSTREAM_DENIED' : 'UPSTREAM_UNAVAILABLE', {
      ...this.#detail(operation),
      status,
      reason: code,
    })
  }

  #detail(operation: string) {
    return { upstream: 's3', operation }
  }

  #url(key: string, query: Readonly<Record<string, string>> = {}, endpoint: string): URL {
    const url = new URL(
      `${endpoint.replace(/\/$/, '')}/${this.#options.bucket}${key === '' ? '' : `/${key}`}`,
    )
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    return url
  }
}

function isReset(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    /^(?:UND_ERR_SOCKET|ECONNRESET|EPIPE)$/.test(String(error.code))
  )
}

/** The `Code` of an S3 error document; undefined for what is none. */
async function errorCode({ body }: S3Response): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      length += chunk.length
      if (length > LONGEST_ERROR) break
    }
  } catch {
    // The status says enough.
    return undefined
  }
  return /<Code>([A-Za-z]+)<\/Code>/.exec(Buffer.concat(chunks).toString('latin1'))?.[1]
}
