import { failure, json } from '../fake-upstream/registry.ts'
import type { WireRequest } from '../fake-upstream/wire.ts'
import { type Layer, partsOf } from './layer.ts'

export interface OrganisationsOptions {
  /** `user:password` by organisation, the first segment of a repository. Others are open to everybody. */
  readonly logins: Readonly<Record<string, string>>
  /** The scope that challenges name. Omitted: that of the repository. */
  readonly scope?: string
}

export const ANYBODY = 'anybody'

/** A registry of several organisations, as ghcr.io: a login gets tokens, which say whose they are and what for. */
export function organisationTokens({ logins, scope: fixed }: OrganisationsOptions): Layer {
  return (request, next, { url }) => {
    const { pathname, searchParams } = new URL(request.target, url)
    if (pathname === '/token') {
      const user = userOf(request)
      if (user !== ANYBODY && !Object.values(logins).includes(user)) return failure(401, 'UNAUTHORIZED')
      return json({ token: Buffer.from(`${user} ${searchParams.get('scope')}`).toString('base64') })
    }
    const repository = partsOf(request.target)?.repository ?? ''
    const scope = fixed ?? `repository:${repository}:pull`
    const [user, granted] = shown(request).split(' ')
    if (granted !== scope) {
      const challenge = `Bearer realm="${url}/token",service="fake",scope="${scope}"`
      return failure(401, 'UNAUTHORIZED', { 'WWW-Authenticate': challenge })
    }
    return user === ownerOf(repository, logins) ? next(request) : failure(403, 'DENIED')
  }
}

/** The same, whose requests bring the login itself. */
export function organisationLogins({ logins }: OrganisationsOptions): Layer {
  return (request, next) => {
    const repository = partsOf(request.target)?.repository ?? ''
    return userOf(request) === ownerOf(repository, logins)
      ? next(request)
      : failure(401, 'UNAUTHORIZED', { 'WWW-Authenticate': 'Basic realm="fake"' })
  }
}

/** Whose login, or token, a request brings. */
export function userOf(request: WireRequest): string {
  return shown(request).split(' ', 1)[0] || ANYBODY
}

/** `user:password`, or of a token `user:password scope`. */
function shown({ headers }: WireRequest): string {
  return Buffer.from((headers['authorization'] ?? '').replace(/^\w+ /, ''), 'base64').toString()
}

function ownerOf(repository: string, logins: OrganisationsOptions['logins']): string {
  return logins[repository.split('/', 1)[0]!] ?? ANYBODY
}
