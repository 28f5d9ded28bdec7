import { LRUCache } from 'lru-cache'
import { isRegistryError } from '../../oci/errors.ts'
import type { RequestKind } from '../../ports/telemetry.ts'
import { readBody } from '../body/limits.ts'
import { failure, invalidAnswer, refusal } from '../failures.ts'
import { ABSENT } from '../repository-requests.ts'
import { discard, headerOf, type Transport, type UpstreamResponse } from '../requests.ts'

/** What the index has said of a repository. */
interface Session {
  /** Shown to the endpoints below, and to nobody else. */
  readonly token: string | undefined
  /** Where its images are: origins. */
  readonly origins: readonly string[]
}

export interface V1RequestsOptions {
  readonly upstream: string
  readonly url: URL
  readonly transport: Transport
}

interface Extras {
  readonly headers?: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

/** Requests of the first registry protocol to one registry. */
export interface V1Requests {
  readonly upstream: string
  /**
   * `path` is below `/v1/`.
   *
   * @returns undefined when the registry does not know the repository, or the thing
   * @throws RegistryError when there is no response, and for every status but 200, 206 and 416
   */
  get(
    repository: string,
    kind: RequestKind,
    path: string,
    extras: Extras,
  ): Promise<UpstreamResponse | undefined>
  /** The text of an answer. @throws RegistryError when it is longer than `limit` bytes */
  text(
    repository: string,
    kind: RequestKind,
    path: string,
    options: { readonly limit: number; readonly signal: AbortSignal },
  ): Promise<string | undefined>
}

/** Repositories, and milliseconds that a token is shown. */
const SESSIONS = { max: 500, ttl: 5 * 60_000 }
/** Endpoints that are asked in turn. */
const MOST_ENDPOINTS = 3
const LONGEST_TOKEN = 4096
/** A host with a port: the scheme is that of the registry. */
const HOST = /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/
const FAILED = new Set([500, 502, 503, 504])

/**
 * The protocol of Docker's registry before 2.0 (docs.docker.com/v1.6/reference/api/docker-io_api and
 * registry_api). The index answers `repositories/<name>/images` with a token and the endpoints that have the
 * images; where it names none, it has them itself.
 */
export function v1Requests({ upstream, url, transport }: V1RequestsOptions): V1Requests {
  const sessions = new LRUCache<string, Session>(SESSIONS)
  const root = (origin: string, path: string): URL =>
    new URL(`${origin === url.origin ? url.pathname.replace(/\/$/, '') : ''}/v1/${path}`, origin)

  async function begin(repository: string, signal: AbortSignal): Promise<Session | undefined> {
    const response = await transport({
      kind: 'tags',
      method: 'GET',
      url: root(url.origin, `repositories/${repository}/images`),
      headers: { accept: 'application/json', 'x-docker-token': 'true' },
      repository,
      signal,
    })
    if (ABSENT.has(response.status)) return discard(response)
    if (response.status !== 200) throw await refusal(upstream, response)
    discard(response)
    const token = headerOf(response, 'x-docker-token')
    if (token !== undefined && (token.length > LONGEST_TOKEN || !/^[\x20-\x7e]+$/.test(token)))
      throw invalidAnswer(upstream, 'malformed X-Docker-Token')
    const session = { token, origins: originsIn(headerOf(response, 'x-docker-endpoints')) }
    sessions.set(repository, session)
    return session
  }

  function originsIn(header: string | undefined): readonly string[] {
    if (header === undefined || header.trim() === '') return [url.origin]
    const hosts = header.split(',').map((host) => host.trim())
    return hosts.slice(0, MOST_ENDPOINTS).map((host) => {
      const origin = HOST.test(host) ? URL.parse(`${url.protocol}//${host}`)?.origin : undefined
      if (origin === undefined) throw invalidAnswer(upstream, 'malformed X-Docker-Endpoints')
      return origin
    })
  }

  /** The first endpoint that is not out. */
  async function ask(
    { token, origins }: Session,
    send: (origin: string, authorization: Readonly<Record<string, string>>) => Promise<UpstreamResponse>,
  ): Promise<UpstreamResponse> {
    const authorization: Record<string, string> =
      token === undefined ? {} : { authorization: `Token ${token}` }
    const others = [...origins]
    for (let origin = others.shift()!; ; origin = others.shift()!) {
      const isLast = others.length === 0
      try {
        const response = await send(origin, authorization)
        if (isLast || !FAILED.has(response.status)) return response
        discard(response)
      } catch (error) {
        if (isLast || !isRegistryError(error, 'UPSTREAM_UNAVAILABLE', 'UPSTREAM_TIMEOUT')) throw error
      }
    }
  }

  const get: V1Requests['get'] = async (repository, kind, path, { headers, signal }) => {
    for (let session = sessions.get(repository); ;) {
      const isNew = session === undefined
      session ??= await begin(repository, signal)
      if (session === undefined) return undefined
      const response = await ask(session, (origin, authorization) =>
        transport({
          kind,
          method: 'GET',
          url: root(origin, path),
          headers: { ...headers, ...authorization },
          repository,
          signal,
        }),
      )
      const { status } = response
      if (status === 200 || status === 206 || status === 416) return response
      if (ABSENT.has(status)) return discard(response)
      if (isNew || (status !== 401 && status !== 403)) throw await refusal(upstream, response)
      // The token has expired.
      discard(response)
      session = undefined
    }
  }

  return {
    upstream,
    get,
    async text(repository, kind, path, { limit, signal }) {
      const response = await get(repository, kind, path, { headers: { accept: 'application/json' }, signal })
      if (response === undefined) return undefined
      try {
        const body = await readBody(response, limit)
        if (body === undefined) throw invalidAnswer(upstream, `answer longer than ${limit} bytes`)
        return body.toString()
      } catch (error) {
        throw failure(upstream, error)
      }
    },
  }
}
