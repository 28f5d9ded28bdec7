import { LRUCache } from 'lru-cache'
import { type Answer, type Ask, discard, type Question } from '../requests.ts'
import {
  basicAuthorization,
  type Credentials,
  type CredentialSource,
  isLogin,
} from '../credentials/credentials.ts'
import { type Bounded, waitFor } from '../net/with-timeout.ts'
import { failure, invalidAnswer, refusal } from '../failures.ts'
import { LIMITS, readBody } from '../body/limits.ts'

/** Where and for what to ask for a token: distribution's docs/content/spec/auth/token.md. */
export interface TokenRequest {
  readonly realm: URL
  readonly service?: string
  readonly scopes: readonly string[]
}

export interface TokenSource {
  /** A token that is believed to be good. `refused` is one that upstream just refused: another is fetched if it is still the newest. */
  get(request: TokenRequest, options?: { refused?: string; signal?: AbortSignal }): Promise<string>
}

export interface TokenSourceOptions {
  readonly upstream: string
  readonly ask: Ask
  /** Of the request itself, whose answer is shared by all who wait. */
  readonly bounded: Bounded
  readonly credentials: CredentialSource
  /** Milliseconds that never go back. */
  readonly now?: () => number
}

interface Token {
  readonly text: string
  readonly refreshAt: number
  readonly expiresAt: number
}

const MIN_LIFETIME = 60
const MAX_LIFETIME = 3600
/** The last part of a token's life, in which another one is fetched while this one still serves. */
const REFRESH_AHEAD = 0.1

/** Tokens by realm, service and scope. However many wait for the same token, one request is on its way. */
export function tokenSource({
  upstream,
  ask,
  bounded,
  credentials,
  now = () => performance.now(),
}: TokenSourceOptions): TokenSource {
  const tokens = new LRUCache<string, Token>({ max: 10_000 })
  const running = new Map<string, Promise<Token>>()

  const renew = (key: string, request: TokenRequest): Promise<Token> => {
    const present = running.get(key)
    if (present !== undefined) return present
    const fetched = bounded((signal) => fetchToken(request, signal))
      .then((token) => {
        tokens.set(key, token)
        return token
      })
      .finally(() => running.delete(key))
    running.set(key, fetched)
    return fetched
  }

  /** Where the realm refuses the credentials and there are newer ones, those are tried, once. */
  const askRealm = async (request: TokenRequest, signal: AbortSignal): Promise<Answer> => {
    const login = await waitFor(credentials(), signal)
    const answer = await ask({ ...tokenQuestion(request, login), signal })
    if (answer.status !== 401 || login === undefined) return answer
    const newer = await waitFor(credentials(login), signal).catch((error: unknown) => {
      discard(answer)
      throw error
    })
    if (newer === login) return answer
    discard(answer)
    return ask({ ...tokenQuestion(request, newer), signal })
  }

  const fetchToken = async (request: TokenRequest, signal: AbortSignal): Promise<Token> => {
    const answer = await askRealm(request, signal)
    if (answer.status >= 300 && answer.status < 400) {
      discard(answer)
      throw invalidAnswer(upstream, 'the token realm redirects', answer.status)
    }
    if (answer.status !== 200) throw await refusal(upstream, answer)
    const body = await readBody(answer, LIMITS.token).catch((error: unknown) => {
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
      const key = tokenUrl(request).href
      const token = tokens.get(key)
      if (token === undefined || token.text === refused || now() >= token.expiresAt) {
        return (await waitFor(renew(key, request), signal)).text
      }
      // Should this fail, the token at hand is still good, and whoever comes after its end is told why.
      if (now() >= token.refreshAt) renew(key, request).catch(() => {})
      return token.text
    },
  }
}

/**
 * GET with the login, as docs/content/spec/auth/token.md has it; for an identity token the POST of oauth.md there, which is the
 * only way in that it opens.
 */
function tokenQuestion(request: TokenRequest, credentials: Credentials | undefined): Question {
  const { realm, service, scopes } = request
  if (credentials === undefined || isLogin(credentials)) {
    const headers = credentials && { authorization: basicAuthorization(credentials) }
    return { kind: 'token', method: 'GET', url: tokenUrl(request), ...(headers && { headers }) }
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
 * `token`, or `access_token` as OAuth 2 calls it, and `expires_in` seconds, 60 where it is missing or absurdly short, at most
 * an hour. `issued_at` is not looked at: clocks differ, and a token that ends early is renewed when it is refused.
 *
 * @returns what is wrong with it, where something is.
 */
function parseToken(body: Buffer | undefined): { token: string; lifetime: number } | string {
  if (body === undefined) return 'token answer too long'
  let answer: { token?: unknown; access_token?: unknown; expires_in?: unknown } | null
  try {
    answer = JSON.parse(body.toString()) as typeof answer
  } catch {
    return 'token answer is not JSON'
  }
  const token = answer?.token || answer?.access_token
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) return 'token answer without a token'
  const expiresIn = Number(answer?.expires_in)
  return { token, lifetime: Math.min(Math.max(expiresIn || 0, MIN_LIFETIME), MAX_LIFETIME) }
}
