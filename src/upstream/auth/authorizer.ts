import { isRegistryError, RegistryError } from '../../oci/errors.ts'
import { untilAborted } from '../../util/async/until-aborted.ts'
import {
  basicAuthorization,
  type Credentials,
  type CredentialSource,
  isLogin,
} from '../credentials/credentials.ts'
import type { JudgeCredentials } from '../credentials/credential-verdicts.ts'
import { invalidAnswer } from '../failures.ts'
import {
  discard,
  headerOf,
  type Transport,
  type UpstreamRequest,
  type UpstreamResponse,
} from '../requests.ts'
import { type Challenge, parseChallenges } from './challenge.ts'
import { settled } from './fresh-token.ts'
import { anonymousRealmAllowed, realmAllowed } from './realm.ts'
import { scopes } from './scopes.ts'
import type { TokenSource } from './token.ts'

export interface AuthorizerOptions {
  readonly upstream: string
  readonly url: URL
  readonly tokenRealms: readonly string[]
  readonly credentials: CredentialSource
  readonly tokens: TokenSource
  readonly transport: Transport
  /** Told whether the registry accepts a login that is shown to it. */
  readonly told?: JudgeCredentials
  /** The requests write to their repositories too. */
  readonly writes?: boolean
}

/** The scheme this upstream asked for last. */
type AuthScheme =
  | {
      readonly scheme: 'bearer'
      readonly realm: URL
      readonly service?: string
      /** The realm is a stranger: it is told no credentials. */
      readonly isAnonymous: boolean
    }
  | { readonly scheme: 'basic' }

interface Authorization {
  readonly header: string
  /** The credentials that the header is made of. Unset for a token. */
  readonly credentials?: Credentials
  /** The token that the header is made of, where it was fetched for this request. */
  readonly newToken?: string
}

/**
 * A transport that authorizes its requests in the scheme the upstream asked for last, so that only the first
 * request of all is challenged. After a 401, or a 403 to a token, it sends the request once more with a new
 * token; after a 401 to a login, with newer credentials if there are any. The second response is final, but
 * for a 401 to a new token, which may need a moment to become valid.
 */
export function authorizer(options: AuthorizerOptions): Transport {
  const { upstream, url, tokenRealms, credentials, tokens, transport, told, writes } = options
  const scoped = scopes(writes)
  let known: AuthScheme | undefined

  const authorization = async (
    scheme: AuthScheme | undefined,
    request: UpstreamRequest,
    refused?: Authorization,
  ): Promise<Authorization | undefined> => {
    if (scheme === undefined) return undefined
    const { repository, signal } = request
    if (scheme.scheme === 'basic') {
      const found = credentials({ repository, refused: refused?.credentials })
      const login = await untilAborted(found, signal)
      if (login === undefined) return undefined
      if (isLogin(login)) return { header: basicAuthorization(login), credentials: login }
      const reason = 'an identity token cannot be used as a password'
      throw new RegistryError('UPSTREAM_DENIED', { upstream, reason })
    }
    const { realm, service, isAnonymous } = scheme
    const { text, isNew } = await tokens.get(
      { realm, service, repository, isAnonymous, scopes: scoped.of(request) },
      { refused: refused?.header.replace(/^Bearer /, ''), signal },
    )
    return { header: `Bearer ${text}`, ...(isNew && { newToken: text }) }
  }

  const schemeOf = async (
    response: UpstreamResponse,
    request: UpstreamRequest,
  ): Promise<AuthScheme | undefined> => {
    const challenges = parseChallenges(headerOf(response, 'www-authenticate'))
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
    if (bearer !== undefined) {
      scoped.learn(request, bearer.parameters['scope'])
      return bearerScheme(bearer, response, request)
    }
    return challenges.some(({ scheme }) => scheme === 'basic') ? { scheme: 'basic' } : known
  }

  const bearerScheme = async (
    { parameters: { realm: text = '', service } }: Challenge,
    response: UpstreamResponse,
    { repository, signal }: UpstreamRequest,
  ): Promise<AuthScheme> => {
    const realm = text === '' ? null : URL.parse(text, response.url.href)
    if (realm === null) throw invalidAnswer(upstream, 'challenge without a token realm', 401)
    if (realmAllowed(url, realm, tokenRealms)) return { scheme: 'bearer', realm, service, isAnonymous: false }
    if (
      anonymousRealmAllowed(url, realm) &&
      (await untilAborted(credentials({ repository }), signal)) === undefined
    ) {
      return { scheme: 'bearer', realm, service, isAnonymous: true }
    }
    throw invalidAnswer(upstream, `token realm ${realm.host} is not in tokenRealms`, 401)
  }

  /** What to send the request again with after `response`; undefined where nothing else can be tried. */
  const reauthorization = async (
    response: UpstreamResponse,
    request: UpstreamRequest,
    used: Authorization | undefined,
  ): Promise<Authorization | undefined> => {
    const before = { scheme: known, scopes: scoped.of(request) }
    const scheme = await schemeOf(response, request)
    const isSameWay = isSame(before.scheme, scheme) && before.scopes.join() === scoped.of(request).join()
    if (isSameWay && used?.newToken !== undefined) {
      // Another token would be no better than this one, which is new.
      const isWorthWaiting = response.status === 401 && (await settled(used.newToken, request.signal))
      return isWorthWaiting ? { header: used.header } : undefined
    }
    const next = await authorization(scheme, request, used)
    if (next === undefined || next.header === used?.header) return undefined
    known = scheme
    return next
  }

  /** The answer that the caller gets to a request with this authorization. */
  const final = (
    response: UpstreamResponse,
    used: Authorization | undefined,
    { repository }: UpstreamRequest,
  ): UpstreamResponse => {
    if (used?.credentials === undefined) return response
    const { status } = response
    if (status === 401) told?.('refused', `${url.host} answers 401`, repository)
    // Only who is let in learns that something does not exist.
    else if (status < 400 || status === 404) told?.('accepted', url.host, repository)
    return response
  }

  return async (request) => {
    // What the caller shows goes first: a token of the first protocol, where logins are for the index alone.
    const own = request.headers?.['authorization'] !== undefined
    const used = await authorization(own ? undefined : known, request).catch((error: unknown) => {
      // The realm may have moved. The next request goes out without a token and is told the new realm.
      if (isRegistryError(error)) known = undefined
      throw error
    })
    const response = await transport(authorized(request, used))
    if (response.status !== 401 && !(response.status === 403 && used !== undefined))
      return final(response, used, request)
    const next = await orDiscard(response, reauthorization(response, request, used))
    if (next === undefined) return final(response, used, request)
    discard(response)
    const answer = await transport(authorized(request, next))
    if (answer.status !== 401 || next.newToken === undefined) return final(answer, next, request)
    if (!(await orDiscard(answer, settled(next.newToken, request.signal))))
      return final(answer, next, request)
    discard(answer)
    return final(await transport(authorized(request, next)), next, request)
  }
}

/** Waits for `work`. If it fails nobody will read `response`. */
async function orDiscard<T>(response: UpstreamResponse, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    discard(response)
    throw error
  }
}

function isSame(one: AuthScheme | undefined, other: AuthScheme | undefined): boolean {
  if (one?.scheme !== 'bearer' || other?.scheme !== 'bearer') return one?.scheme === other?.scheme
  return one.realm.href === other.realm.href && one.service === other.service
}

function authorized(request: UpstreamRequest, authorization: Authorization | undefined): UpstreamRequest {
  return authorization === undefined
    ? request
    : { ...request, headers: { ...request.headers, authorization: authorization.header } }
}
