import { randomBytes } from 'node:crypto'
import { failure, json } from './registry.ts'
import type { Answer, WireRequest } from './wire.ts'

export interface AuthOptions {
  readonly scheme: 'bearer' | 'basic'
  /** Without: `bearer` gives anyone a token, as Docker Hub does for public images. */
  readonly username?: string
  readonly password?: string
  /** Exchanged for tokens by POST (oauth.md of distribution), besides the login. */
  readonly identityToken?: string
  /** Where the challenge sends clients for tokens; this registry's own `/token` without. */
  readonly realm?: string
  /** Seconds, told as `expires_in`; left out of the answer without. Use `revoke` to make tokens fail. */
  readonly expiresIn?: number
}

/** Decides who may read, and hands out tokens at `/token`. */
export class FakeAuth {
  #tokens = new Map<string, string>()
  readonly #options: AuthOptions
  readonly #url: () => string

  constructor(options: AuthOptions, url: () => string) {
    this.#options = options
    this.#url = url
  }

  /** From now on every token given out so far is refused. */
  revoke(): void {
    this.#tokens = new Map()
  }

  /** @returns the answer of the token endpoint or the challenge; undefined = let in. */
  answer(request: WireRequest): Answer | undefined {
    const url = new URL(request.target, this.#url())
    if (url.pathname === '/token') return this.#token(request, url.searchParams)
    const repository = /^\/v2\/(.+)\/(?:manifests|blobs|referrers|tags)\//.exec(url.pathname)?.[1]
    const scope = repository === undefined ? '' : `repository:${repository}:pull`
    const authorization = request.headers['authorization'] ?? ''
    if (this.#options.scheme === 'basic') {
      return this.#knows(authorization)
        ? undefined
        : failure(401, 'UNAUTHORIZED', { 'WWW-Authenticate': 'Basic realm="fake"' })
    }
    const granted = this.#tokens.get(authorization.replace(/^Bearer /, ''))
    if (granted !== undefined && (scope === '' || granted === scope)) return undefined
    const realm = this.#options.realm ?? `${this.#url()}/token`
    const challenge = `Bearer realm="${realm}",service="fake",scope="${scope}"`
    return failure(401, 'UNAUTHORIZED', { 'WWW-Authenticate': challenge })
  }

  #token(request: WireRequest, query: URLSearchParams): Answer {
    const { username, expiresIn } = this.#options
    if (request.method === 'POST') return this.#exchange(new URLSearchParams(request.body))
    if (username !== undefined && !this.#knows(request.headers['authorization'] ?? '')) {
      return failure(401, 'UNAUTHORIZED')
    }
    return json({ token: this.#issue(query), expires_in: expiresIn })
  }

  #exchange(form: URLSearchParams): Answer {
    const { identityToken, expiresIn } = this.#options
    const isKnown = identityToken !== undefined && form.get('refresh_token') === identityToken
    if (!isKnown || form.get('grant_type') !== 'refresh_token') return failure(401, 'UNAUTHORIZED')
    return json({ access_token: this.#issue(form), expires_in: expiresIn })
  }

  #issue(asked: URLSearchParams): string {
    const token = randomBytes(12).toString('hex')
    this.#tokens.set(token, asked.get('scope') ?? '')
    return token
  }

  #knows(authorization: string): boolean {
    const { username, password } = this.#options
    return authorization === `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  }
}
