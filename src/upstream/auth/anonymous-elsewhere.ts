import { LRUCache } from 'lru-cache'
import type { Transport } from '../requests.ts'
import { authorizer } from './authorizer.ts'
import type { TokenSource } from './token.ts'

export interface AnonymousOptions {
  readonly upstream: string
  readonly transport: Transport
  /** Knows no credentials. */
  readonly tokens: TokenSource
}

/** Origins that an upstream redirects to: a registry and a storage service, mostly. */
const REMEMBERED = 100

const anonymous = async (): Promise<undefined> => undefined

/**
 * A transport to where an upstream redirects. Another registry may want an anonymous token (scarf's gateway
 * redirects its API so) and gets one from a realm of its own choosing; nobody gets credentials here.
 */
export function anonymousElsewhere({ upstream, transport, tokens }: AnonymousOptions): Transport {
  const byOrigin = new LRUCache<string, Transport>({ max: REMEMBERED })

  return (request) => {
    const { origin } = request.url
    let found = byOrigin.get(origin)
    if (found === undefined) {
      const url = new URL(origin)
      found = authorizer({ upstream, url, tokenRealms: [], credentials: anonymous, tokens, transport })
      byOrigin.set(origin, found)
    }
    return found(request)
  }
}
