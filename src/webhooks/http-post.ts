import type { LookupFunction } from 'node:net'
import { Agent, request } from 'undici'
import { dialPolicy } from '../upstream/net/dial-policy.ts'
import { dialer } from '../upstream/net/dialer.ts'
import type { ProxyFor } from '../upstream/net/proxy-environment.ts'
import type { TrustStore } from '../upstream/net/trust-store.ts'
import { retryAfterSeconds } from '../upstream/failures.ts'
import type { Attempt } from './delivery-policy.ts'
import type { Post } from './webhook.ts'

export interface HttpPostOptions {
  readonly url: URL
  /** Its name may lead to private addresses. Undefined: if `url` is one itself. */
  readonly allowPrivate: boolean | undefined
  /** The ports of our own listeners, which are no receivers. */
  readonly ownPorts: () => Iterable<number>
  readonly trust: TrustStore
  readonly proxyFor: ProxyFor
  readonly userAgent: string
  /** Replaces the system's name resolution. */
  readonly lookup?: LookupFunction
}

/** Milliseconds from the name lookup to the connection. */
const CONNECT_TIMEOUT = 5_000
/** Bytes of an answer that are read, so that the connection can be used again. */
const READ = 16 * 1024

/**
 * Posts to one URL. Redirects are answers like others: the signed message goes where the configuration says,
 * and nowhere else. Its connections are checked as those of upstreams are.
 */
export function httpPost(options: HttpPostOptions): { readonly post: Post; close(): Promise<void> } {
  const { url, allowPrivate, ownPorts, trust, proxyFor, userAgent, lookup } = options
  const connect = dialer({
    trust: () => trust.context(),
    connectTimeout: CONNECT_TIMEOUT,
    trusted: new Set(),
    policy: dialPolicy({ url, allowPrivate, ownPorts }),
    proxyFor,
    ...(lookup && { lookup }),
  })
  const dispatcher = new Agent({ connect, connections: 1, keepAliveTimeout: 10_000 })

  const post: Post = async (body, headers, signal): Promise<Attempt> => {
    try {
      const response = await request(url, {
        dispatcher,
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json', 'user-agent': userAgent },
        body,
        signal,
      })
      // The status says all. The signal ends an answer that does not end by itself.
      void response.body.dump({ limit: READ, signal }).catch(() => {})
      const asked = response.headers['retry-after']
      const seconds = retryAfterSeconds(asked?.toString(), Date.now())
      return { status: response.statusCode, retryAfter: seconds === undefined ? undefined : seconds * 1000 }
    } catch (error) {
      return { reason: signal.aborted ? 'TIMEOUT' : codeOf(error) }
    }
  }
  return { post, close: () => dispatcher.destroy() }
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0])
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
