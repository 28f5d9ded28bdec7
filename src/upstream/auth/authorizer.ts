import { isRegistryError, RegistryError } from '../../oci/errors.ts'
import { untilAborted } from '../../util/until-aborted.ts'
import {
  basicAuthorization,
  type Credentials,
  type CredentialSource,
  isLogin,
} from '../credentials/credentials.ts'
import { invalidAnswer } from '../failures.ts'
import {
  discard,
  headerOf,
  type Transport,
  type UpstreamRequest,
  type UpstreamResponse,
} from '../requests.ts'
import { type Challenge, parseChallenges } from './challenge.ts'
import { realmAllowed } from './realm.ts'
import type { TokenRequest, TokenSource } from './token.ts'

export interface AuthorizerOptions {
  readonly upstream: string
  readonly url: URL
  readonly tokenRealms: readonly string[]
  readonly credentials: CredentialSource
  readonly tokens: TokenSource
  readonly transport: Transport
}

/** The scheme this upstream asked for last. */
type AuthScheme =
  | { readonly scheme: 'bearer'; readonly realm: URL; readonly service?: string; readonly scope?: string }
  | { readonly scheme: 'basic' }

interface Authorization {
  readonly header: string
  /** The credentials that the header is made of. Unset for a token. */
  readonly credentials?: Credentials
}

/**
 * A transport that authorizes its requests in the scheme the upstream asked for last, so that only the first
 * request of all is challenged. After a 401, or a 403 to a token, it sends the request once more with a new
 * token; after a 401 to a login, with newer credentials if there are any. The second response is final.
 */
export function authorizer(options: AuthorizerOptions): Transport {
  const { upstream, url, tokenRealms, credentials, tokens, transport } = options
  let known: AuthScheme | undefined

  const authorization = async (
    scheme: AuthScheme | undefined,
    { repository, signal }: UpstreamRequest,
    refused?: Authorization,
  ): Promise<Authorization | undefined> => {
    if (scheme === undefined) return undefined
    if (scheme.scheme === 'basic') {
      const found = credentials({ repository, refused: refused?.credentials })
      const login = await untilAborted(found, signal)
      if (login === undefined) return undefined
      if (isLogin(login)) return { header: basicAuthorization(login), credentials: login }
      const reason = 'an identity token cannot be used as a password'
      throw new RegistryError('UPSTREAM_DENIED', { upstream, reason })
    }
    const token = await tokens.get(tokenRequest(scheme, repository), {
      refused: refused?.header.replace(/^Bearer /, ''),
      signal,
    })
    return { header: `Bearer ${token}` }
  }

  const schemeOf = (response: UpstreamResponse): AuthScheme | undefined => {
    const challenges = parseChallenges(headerOf(response, 'www-authenticate'))
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
    if (bearer !== undefined) return bearerScheme(bearer)
    return challenges.some(({ scheme }) => scheme === 'basic') ? { scheme: 'basic' } : known
  }

  const bearerScheme = ({ parameters: { realm: text = '', service, scope } }: Challenge): AuthScheme => {
    const realm = URL.canParse(text) ? new URL(text) : undefined
    if (realm === undefined) throw invalidAnswer(upstream, 'challenge without a token realm', 401)
    if (!realmAllowed(url, realm, tokenRealms)) {
      throw invalidAnswer(upstream, `token realm ${realm.host} is not in tokenRealms`, 401)
    }
    return { scheme: 'bearer', realm, service, scope }
  }

  return async (request) => {
    const used = await authorization(known, request).catch((error: unknown) => {
      // The realm may have moved. The next request goes out without a token and is told the new realm.
      if (isRegistryError(error)) known = undefined
      throw error
    })
    const response = await transport(authorized(request, used))
    if (response.status !== 401 && !(response.status === 403 && used !== undefined)) return response
    let scheme: AuthScheme | undefined
    let next: Authorization | undefined
    try {
      scheme = schemeOf(response)
      next = await authorization(scheme, request, used)
    } catch (error) {
      discard(response)
      throw error
    }
    if (next === undefined || next.header === used?.header) return response
    known = scheme
    discard(response)
    return transport(authorized(request, next))
  }
}

function authorized(request: UpstreamRequest, authorization: Authorization | undefined): UpstreamRequest {
  return authorization === undefined
    ? request
    : { ...request, headers: { ...request.headers, authorization: authorization.header } }
}

/**
 * Asks for our own scope, and for the challenge's where that is of another kind: public.ecr.aws wants `aws`.
 */
function tokenRequest(
  { realm, service, scope }: AuthScheme & { scheme: 'bearer' },
  repository: string | undefined,
): TokenRequest {
  const own = repository === undefined ? undefined : `repository:${repository}:pull`
  const theirs = scope === undefined || scope === '' || scope.startsWith('repository:') ? undefined : scope
  const scopes = [own, theirs].filter((scope) => scope !== undefined)
  return { realm, service, repository, scopes }
}
