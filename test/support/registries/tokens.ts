import { createHash } from 'node:crypto'
import { failure, json } from '../fake-upstream/registry.ts'
import type { WireRequest } from '../fake-upstream/wire.ts'
import { type Layer, partsOf } from './layer.ts'

export interface TokenOptions {
  /** Where tokens are given out, on the registry's own origin or beside it. */
  readonly path: string
  readonly beside?: boolean
  readonly service?: string
  /** The scope that the challenge for this kind of request names; `repository:<name>:pull` without. */
  readonly scope?: (repository: string, kind: string) => string
  /** How the realm stands in the challenge; quoted and absolute without. */
  readonly realm?: (url: string) => string
  /** What a token answer says besides the token. */
  readonly extra?: Readonly<Record<string, unknown>>
  /** The name of the token's field. */
  readonly field?: 'token' | 'access_token'
  readonly login?: { readonly username: string; readonly password: string }
}

const pullScope = (repository: string): string => `repository:${repository}:pull`

/** Wants a token of exactly the scope that its challenge names (distribution's docs/content/spec/auth/token.md). */
export function wantsToken(options: TokenOptions): Layer {
  const { path, service = 'fake', scope = pullScope, beside = false } = options
  const give = givesTokens(options)
  return (request, next, place) => {
    if (!beside && request.target.split('?', 1)[0] === path) return give(request, next, place)
    // A login page, or where blobs are redirected to.
    if (!request.target.startsWith('/v2/')) return next(request)
    const parts = partsOf(request.target)
    const needed = parts === undefined ? '' : scope(parts.repository, parts.kind)
    if (request.headers['authorization'] === `Bearer ${tokenFor(needed)}`) return next(request)
    const realm = `${beside ? place.besides : place.url}${path}`
    const challenge = `Bearer realm=${options.realm?.(realm) ?? `"${realm}"`},service="${service}"`
    const scoped = needed === '' ? challenge : `${challenge},scope="${needed}"`
    return failure(401, 'UNAUTHORIZED', { 'WWW-Authenticate': scoped })
  }
}

/** The token service alone, for the origin beside the registry. */
export function givesTokens({ path, extra = {}, field = 'token', login }: TokenOptions): Layer {
  return (request, next) => {
    const url = new URL(request.target, 'http://fake')
    if (url.pathname !== path) return next(request)
    if (login !== undefined && !isLogin(request, login)) return failure(401, 'UNAUTHORIZED')
    return json({ [field]: tokenFor(url.searchParams.getAll('scope').join(' ')), ...extra })
  }
}

/** Every request has the login itself. */
export function wantsLogin(login: NonNullable<TokenOptions['login']>, realm: string): Layer {
  return (request, next) =>
    isLogin(request, login)
      ? next(request)
      : failure(401, 'UNAUTHORIZED', { 'WWW-Authenticate': `Basic realm="${realm}",service="fake"` })
}

function tokenFor(scope: string): string {
  return createHash('sha256').update(`token ${scope}`).digest('hex')
}

function isLogin(request: WireRequest, { username, password }: NonNullable<TokenOptions['login']>): boolean {
  const expected = Buffer.from(`${username}:${password}`).toString('base64')
  return request.headers['authorization'] === `Basic ${expected}`
}
