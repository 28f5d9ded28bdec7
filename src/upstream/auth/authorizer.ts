import { isRegistryError, RegistryError } from '../../oci/errors.ts'
import { type Answer, type Ask, discard, headerOf, type Question } from '../requests.ts'
import { type Challenge, parseChallenges } from './challenge.ts'
import { waitFor } from '../net/with-timeout.ts'
import { invalidAnswer } from '../failures.ts'
import { realmAllowed } from './realm.ts'
import {
  basicAuthorization,
  type Credentials,
  type CredentialSource,
  isLogin,
} from '../credentials/credentials.ts'
import type { TokenRequest, TokenSource } from './token.ts'

export interface AuthorizerOptions {
  readonly upstream: string
  readonly url: URL
  readonly tokenRealms: readonly string[]
  readonly credentials: CredentialSource
  readonly tokens: TokenSource
  readonly ask: Ask
}

/** How this upstream lets us in, as it last said. */
type WayIn =
  | { readonly scheme: 'bearer'; readonly realm: URL; readonly service?: string; readonly scope?: string }
  | { readonly scheme: 'basic' }

/** What a question brought. */
interface Authorization {
  readonly header: string
  /** Where the header is made of them. */
  readonly credentials?: Credentials
}

/**
 * Asks with what upstream was seen to want, so that only the first question of all is challenged. A 401, or a 403 to a token,
 * is asked once more with a new one; so is a 401 to a login where there is a newer one. The second answer stands.
 */
export function authorizer(options: AuthorizerOptions): Ask {
  const { upstream, url, tokenRealms, credentials, tokens, ask } = options
  let wayIn: WayIn | undefined

  const authorization = async (
    way: WayIn | undefined,
    question: Question,
    refused?: Authorization,
  ): Promise<Authorization | undefined> => {
    if (way === undefined) return undefined
    if (way.scheme === 'basic') {
      const login = await waitFor(credentials(refused?.credentials), question.signal)
      if (login === undefined) return undefined
      if (isLogin(login)) return { header: basicAuthorization(login), credentials: login }
      throw new RegistryError('UPSTREAM_DENIED', { upstream, reason: 'an identity token is no password' })
    }
    const token = await tokens.get(tokenRequest(way, question.scope), {
      refused: refused?.header.replace(/^Bearer /, ''),
      signal: question.signal,
    })
    return { header: `Bearer ${token}` }
  }

  const learn = (answer: Answer): WayIn | undefined => {
    const challenges = parseChallenges(headerOf(answer, 'www-authenticate'))
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
    if (bearer !== undefined) return bearerWay(bearer)
    return challenges.some(({ scheme }) => scheme === 'basic') ? { scheme: 'basic' } : wayIn
  }

  const bearerWay = ({ parameters: { realm: text = '', service, scope } }: Challenge): WayIn => {
    const realm = URL.canParse(text) ? new URL(text) : undefined
    if (realm === undefined) throw invalidAnswer(upstream, 'challenge without a token realm', 401)
    if (!realmAllowed(url, realm, tokenRealms)) {
      throw invalidAnswer(upstream, `token realm ${realm.host} is not in tokenRealms`, 401)
    }
    return { scheme: 'bearer', realm, service, scope }
  }

  return async (question) => {
    const used = await authorization(wayIn, question).catch((error: unknown) => {
      // Tokens may come from elsewhere by now: the next question is asked without one and hears where.
      if (isRegistryError(error)) wayIn = undefined
      throw error
    })
    const answer = await ask(authorized(question, used))
    if (answer.status !== 401 && !(answer.status === 403 && used !== undefined)) return answer
    let way: WayIn | undefined
    let next: Authorization | undefined
    try {
      way = learn(answer)
      next = await authorization(way, question, used)
    } catch (error) {
      discard(answer)
      throw error
    }
    if (next === undefined || next.header === used?.header) return answer
    wayIn = way
    discard(answer)
    return ask(authorized(question, next))
  }
}

function authorized(question: Question, authorization: Authorization | undefined): Question {
  return authorization === undefined
    ? question
    : { ...question, headers: { ...question.headers, authorization: authorization.header } }
}

/** Our own scope, and the challenge's where that is of another kind: public.ecr.aws wants `aws`. */
function tokenRequest(
  { realm, service, scope }: WayIn & { scheme: 'bearer' },
  own: string | undefined,
): TokenRequest {
  const theirs = scope === undefined || scope === '' || scope.startsWith('repository:') ? undefined : scope
  return { realm, service, scopes: [own, theirs].filter((scope) => scope !== undefined) }
}
