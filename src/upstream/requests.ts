import type { Dispatcher } from 'undici'
import type { RequestKind } from '../ports/telemetry.ts'
import type { DirectBody } from './body/direct-body.ts'

/** One HTTP request to a registry, to its token realm, or to where the registry redirects. */
export interface UpstreamRequest {
  readonly kind: RequestKind | 'token'
  /**
   * The cache only reads upstream, so that POST and `body` are for tokens there. `destination/` writes, to
   * other registries.
   */
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** A long one is read anew for every attempt. */
  readonly body?: string | Buffer | ReadBody
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  /** The repository that is read, as the upstream names it. Tokens and credentials are chosen by it. */
  readonly repository?: string
  /** Another repository that this one takes a blob from, which has to be readable too. */
  readonly mountFrom?: string
  /** Ends the request, and afterwards the response body. */
  readonly signal?: AbortSignal
}

/** `signal` ends with the attempt that the bytes are read for. */
export type ReadBody = (signal: AbortSignal) => AsyncIterable<Buffer>

/** By their names in lower case. */
export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>

/** A response up to its headers. Whoever receives it reads, discards or destroys the body. */
export interface UpstreamResponse {
  readonly status: number
  readonly headers: ResponseHeaders
  readonly body: Dispatcher.ResponseData['body'] | DirectBody
  /** The URL that responded, after redirects. */
  readonly url: URL
}

/**
 * Sends a request. Authorization and redirects are transports around another transport.
 *
 * @throws RegistryError when there is no response. Every status is a response.
 */
export type Transport = (request: UpstreamRequest) => Promise<UpstreamResponse>

/** The value of a header. Repeated headers are joined to the list they stand for (RFC 9110 section 5.3). */
export function headerOf({ headers }: Pick<UpstreamResponse, 'headers'>, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/**
 * Drops a response that nobody wants to read. It reads a short body to the end, so that the connection can be
 * reused.
 */
export function discard({ body }: UpstreamResponse): undefined {
  // `dump` also resolves when the body breaks off: nobody is interested in its error.
  void body.dump({ limit: 64 * 1024 })
}
