import type { RequestKind, UpstreamTelemetry } from '../ports/telemetry.ts'
import { readBody } from './body/limits.ts'
import { failure, invalidAnswer, refusal } from './failures.ts'
import { headerOf, type Transport, type UpstreamRequest, type UpstreamResponse } from './requests.ts'

export interface RepositoryRequestsOptions {
  readonly upstream: string
  readonly url: URL
  /** As the upstream names it. */
  readonly repository: string
  readonly transport: Transport
  readonly telemetry: Pick<UpstreamTelemetry, 'received'>
}

type Extras = Pick<UpstreamRequest, 'headers' | 'signal'>

/** What the requests to one repository have in common. */
export interface RepositoryRequests {
  readonly upstream: string
  /** Of the registry itself. */
  readonly origin: string
  /** `path` is below `/v2/<name>/` and may have a query. */
  get(kind: RequestKind, path: string, extras: Extras): Promise<UpstreamResponse>
  head(kind: RequestKind, path: string, extras: Extras): Promise<UpstreamResponse>
  /**
   * Reads the body of a 200. `arrived` is told the size of every chunk, and may throw to end it. @throws
   * RegistryError for other statuses, encoded content, and bodies over `limit` bytes
   */
  read(response: UpstreamResponse, limit: number, arrived?: (bytes: number) => void): Promise<Buffer>
  /** The same for content whose hash is checked: a wrong label is no harm there. */
  readHashed(response: UpstreamResponse, limit: number): Promise<Buffer>
}

/** The statuses that say "does not exist". */
export const ABSENT = new Set([404, 410])
/** The statuses of an upstream that cannot answer now, whatever the method. */
export const PASSING = new Set([408, 429, 502, 503, 504, 508])

export function repositoryRequests(options: RepositoryRequestsOptions): RepositoryRequests {
  const { upstream, url, repository, transport, telemetry } = options
  const root = `${url.pathname.replace(/\/$/, '')}/v2/${repository}`
  const send =
    (method: 'GET' | 'HEAD') =>
    (kind: RequestKind, path: string, extras: Extras): Promise<UpstreamResponse> =>
      transport({ ...extras, method, kind, url: new URL(`${root}/${path}`, url), repository })

  const readHashed = async (
    response: UpstreamResponse,
    limit: number,
    arrived?: (bytes: number) => void,
  ): Promise<Buffer> => {
    if (response.status !== 200) throw await refusal(upstream, response)
    try {
      const body = await readBody(response, limit, arrived)
      if (body === undefined) throw invalidAnswer(upstream, `answer longer than ${limit} bytes`)
      telemetry.received(upstream, body.length)
      return body
    } catch (error) {
      throw failure(upstream, error)
    }
  }

  return {
    upstream,
    origin: url.origin,
    get: send('GET'),
    head: send('HEAD'),
    async read(response, limit, arrived) {
      if (response.status === 200) refuseEncoded(upstream, response)
      return readHashed(response, limit, arrived)
    },
    readHashed,
  }
}

/** Whether a response says that its content is in an encoding, although we asked for `identity`. */
export function isEncoded(response: UpstreamResponse): boolean {
  return (headerOf(response, 'content-encoding') ?? 'identity').toLowerCase() !== 'identity'
}

/** Refuses encoded content that no hash vouches for. Decoding would let decompression bombs in. */
function refuseEncoded(upstream: string, response: UpstreamResponse): void {
  if (!isEncoded(response)) return
  response.body.destroy()
  throw invalidAnswer(upstream, 'encoded content', response.status)
}
