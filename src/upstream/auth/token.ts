import { LRUCache } from 'lru-cache'
import { parseJsonObject } from '../../util/json-object.ts'
import { singleFlight } from '../../util/async/single-flight.ts'
import { untilAborted } from '../../util/async/until-aborted.ts'
import { LIMITS, readBody } from '../body/limits.ts'
import {
  basicAuthorization,
  type Credentials,
  type CredentialSource,
  isLogin,
} from '../credentials/credentials.ts'
import type { JudgeCredentials } from '../credentials/credential-verdicts.ts'
import type { PatternFor } from '../credentials/repository-credentials.ts'
import { RegistryError } from '../../oci/errors.ts'
import { failure, invalidAnswer, refusal } from '../failures.ts'
import type { WithTimeout } from '../net/with-timeout.ts'
import { discard, type Transport, type UpstreamRequest, type UpstreamResponse } from '../requests.ts'

/** Where to ask for a token, and for what: distribution's docs/content/spec/auth/token.md. */
export interface TokenRequest {
  readonly realm: URL
  readonly service?: string
  /** The repository whose credentials are shown to the realm. */
  readonly repository?: string
  readonly scopes: readonly string[]
  /** No credentials are shown to the realm, whatever is configured. */
  readonly isAnonymous?: boolean
}

/** A token that is believed to be valid. */
export interface IssuedToken {
  readonly text: string
  /** It was fetched for this very caller, or while it waited. */
  readonly isNew: boolean
}

export interface TokenSource {
  /**
   * Returns a token that is believed to be valid. `refused` is a token that the upstream has just refused: if
   * it is still the newest, another one is fetched. `signal` ends the caller's own wait only.
   */
  get(request: TokenRequest, options?: { refused?: string; signal?: AbortSignal }): Promise<IssuedToken>
}

export interface TokenSourceOptions {
  readonly upstream: string
  readonly transport: Transport
  /** The deadline of a token request, which all waiting callers share. */
  readonly withTimeout: WithTimeout
  readonly credentials: CredentialSource
  /** Tokens got with the credentials of a pattern are for its repositories alone. Omitted: there is none. */
  readonly patternFor?: PatternFor
  /** Told whether the realm accepts the credentials that are shown to it. */
  readonly told?: JudgeCredentials
  /** Monotonic clock, in milliseconds. */
  readonly now?: () => number
}

interface Token {
  readonly text: string
  readonly refreshAt: number
  readonly expiresAt: number
}

/** Seconds. */
const MIN_LIFETIME = 60
const MAX_LIFETIME = 3600
/** A token is renewed in the background during this last part of its life. */
const REFRESH_AHEAD = 0.1
/** Bytes. Node refuses headers over 16 KiB, as most registries do. */
const MAX_TOKEN = 16 * 1024
/** Bytes of all tokens of one upstream, with their keys. */
const MAX_CACHE = 8 * 1024 * 1024

/**
 * Tokens by realm, service and scope. One request is on its way for each, however many callers wait for it.
 */
export function tokenSource(options: TokenSourceOptions): TokenSource {
  const { upstream, transport, withTimeout, credentials, told, now = () => performance.now() } = options
  const { patternFor = () => undefined } = options
  const tokens = new LRUCache<string, Token>({
    maxSize: MAX_CACHE,
    sizeCalculation: ({ text }, key) => text.length + key.length + 200,
  })
  const flights = singleFlight<Token>()

  const renew = async (key: string, request: TokenRequest, signal?: AbortSignal): Promise<Token> => {
    const fetchAndKeep = async (): Promise<Token> => {
      const token = await withTimeout((signal) => fetchToken(request, signal))
      tokens.set(key, token)
      return token
    }
    return (await flights.run(key, fetchAndKeep, signal)).value
  }

  const tell = ({ status }: UpstreamResponse, { realm: { host }, repository }: TokenRequest): void => {
    if (status >= 200 && status <= 299) told?.('accepted', host, repository)
    else if (status === 401) told?.('refused', `${host} answers 401`, repository)
  }

  /** If the realm refuses the credentials and there are newer ones, these are shown once. */
  const askRealm = async (token: TokenRequest, signal: AbortSignal): Promise<UpstreamResponse> => {
    const { repository, isAnonymous = false } = token
    if (isAnonymous) return transport({ ...realmRequest(token, undefined), signal })
    const login = await untilAborted(credentials({ repository }), signal)
    const response = await transport({ ...realmRequest(token, login), signal })
    if (login !== undefined && response.status !== 401) tell(response, token)
    if (response.status !== 401 || login === undefined) return response
    const newest = credentials({ repository, refused: login })
    const newer = await untilAborted(newest, signal).catch((error: unknown) => {
      discard(response)
      throw error
    })
    if (newer === login) {
      tell(response, token)
      return response
    }
    discard(response)
    const second = await transport({ ...realmRequest(token, newer), signal })
    tell(second, token)
    return second
  }

  const fetchToken = async (request: TokenRequest, signal: AbortSignal): Promise<Token> => {
    const response = await askRealm(request, signal)
    if (response.status >= 300 && response.status < 400) {
      discard(response)
      throw invalidAnswer(upstream, 'the token realm redirects', response.status)
    }
    // Docker and containerd take every 2xx, and so token services send 201 too.
    if (response.status < 200 || response.status > 299) {
      const { code, detail } = await refusal(upstream, response)
      throw new RegistryError(code, { ...detail, at: request.realm.host })
    }
    const body = await readBody(response, LIMITS.token).catch((error: unknown) => {
      throw failure(upstream, error)
    })
    const parsed = parseToken(body)
    if (typeof parsed === 'string') throw invalidAnswer(upstream, parsed)
    const lifetime = parsed.lifetime * 1000
    return {
      text: parsed.token,
      refreshAt: now() + lifetime * (1 - REFRESH_AHEAD),
      expiresAt: now() + lifetime,
    }
  }

  return {
    async get(request, { refused, signal } = {}) {
      const login = request.isAnonymous ? 'anonymous' : (patternFor(request.repository) ?? '')
      const key = `${login} ${tokenUrl(request).href}`
      const token = tokens.get(key)
      if (token === undefined || token.text === refused || now() >= token.expiresAt) {
        return { text: (await renew(key, request, signal)).text, isNew: true }
      }
      // If this fails the present token is still valid, and the first caller after its end is told why.
      if (now() >= token.refreshAt) renew(key, request).catch(() => {})
      return { text: token.text, isNew: false }
    },
  }
}

/**
 * GET with the login, as docs/content/spec/auth/token.md defines it. An identity token is only accepted by
 * the POST of oauth.md in the same folder.
 */
function realmRequest(token: TokenRequest, credentials: Credentials | undefined): UpstreamRequest {
  const { realm, service, scopes } = token
  if (credentials === undefined || isLogin(credentials)) {
    const headers = credentials && { authorization: basicAuthorization(credentials) }
    return { kind: 'token', method: 'GET', url: tokenUrl(token), ...(headers && { headers }) }
  }
  const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: 'entrepot' })
  if (service !== undefined) form.set('service', service)
  if (scopes.length > 0) form.set('scope', scopes.join(' '))
  form.set('refresh_token', credentials.identityToken)
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return { kind: 'token', method: 'POST', url: realm, headers, body: form.toString() }
}

function tokenUrl({ realm, service, scopes }: TokenRequest): URL {
  const url = new URL(realm)
  if (service !== undefined) url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  return url
}

/**
 * Reads `token`, or `access_token` as OAuth 2 names it, and `expires_in` in seconds: 60 where it is missing
 * or absurdly short, at most an hour. `issued_at` is ignored, because clocks differ; a token that expires
 * early is renewed when it is refused.
 *
 * @returns a description of what is wrong with it, where something is.
 */
function parseToken(body: Buffer | undefined): { token: string; lifetime: number } | string {
  if (body === undefined) return 'token answer too long'
  const answer = parseJsonObject(body)
  if (answer === undefined) return 'token answer is not a JSON object'
  const token = answer['token'] || answer['access_token']
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) return 'token answer without a token'
  if (token.length > MAX_TOKEN) return `token longer than ${MAX_TOKEN} bytes`
  const expiresIn = Number(answer['expires_in'])
  return { token, lifetime: Math.min(Math.max(expiresIn || 0, MIN_LIFETIME), MAX_LIFETIME) }
}
