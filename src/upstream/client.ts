import { type LookupFunction } from 'node:net'
import { Agent } from 'undici'
import type { UpstreamTelemetry } from '../ports/telemetry.ts'
import type { Upstream } from '../ports/upstream.ts'
import { authorizer } from './auth/authorizer.ts'
import { minorGc } from './body/minor-gc.ts'
import type { CredentialSource } from './credentials/credentials.ts'
import { deadline } from './net/with-timeout.ts'
import { dialer, dialledAs, isPrivateHost } from './net/dialer.ts'
import { exchange } from './net/transport.ts'
import type { ProxyFor } from './net/proxy-environment.ts'
import { rateBudget } from './resilience/rate-budget.ts'
import { followRedirects } from './net/redirects.ts'
import { upstreamRepository } from './repository.ts'
import { tokenSource } from './auth/token.ts'

export interface UpstreamClientOptions {
  /** What the configuration calls it; in errors and metrics. */
  readonly name: string
  /** Where `/v2/` is; may have a path before it. */
  readonly url: string
  /** Anonymous without. */
  readonly credentials?: CredentialSource
  /** Where else tokens may come from, as `https://auth.docker.io`. */
  readonly tokenRealms?: readonly string[]
  /** PEM of an authority to trust besides the system's. */
  readonly ca?: string
  /** Its certificate, and those of `tokenRealms`, are not verified. */
  readonly insecure?: boolean
  /** Milliseconds. `headers` is from question to answer in all, of a blob to its headers; `idle` between two pieces of a body. */
  readonly timeouts?: { readonly connect?: number; readonly headers?: number; readonly idle?: number }
  /** Redirects may lead to private addresses; left out, they may where the URL is one itself. */
  readonly allowPrivate?: boolean
  /** Connections at once to one host for manifests, tags and tokens; what is more waits, within its deadline. Blobs are limited by who asks. */
  readonly metadataConnections?: number
  readonly telemetry: UpstreamTelemetry
  /** Milliseconds that never go back. */
  readonly now?: () => number
  /** Nothing goes through a proxy without. */
  readonly proxyFor?: ProxyFor
  /** Runs a minor garbage collection: see `minorGc`. */
  readonly collectGarbage?: () => void
  /** Instead of the system's name resolution. */
  readonly lookup?: LookupFunction
}

/** A registry elsewhere. Nothing is dialled before the first question. */
export function upstreamClient(options: UpstreamClientOptions): Upstream & { close(): Promise<void> } {
  const { name, telemetry, tokenRealms = [], metadataConnections = 64, lookup } = options
  const { ca, insecure, proxyFor, now = () => performance.now() } = options
  const { connect = 5_000, headers = 10_000, idle = 30_000 } = options.timeouts ?? {}
  const credentials = options.credentials ?? (async () => undefined)
  const url = new URL(options.url)

  const connector = dialer({
    ca,
    insecure,
    connectTimeout: connect,
    trusted: new Set([url, ...tokenRealms.map((realm) => new URL(realm))].map(dialledAs)),
    allowPrivate: options.allowPrivate ?? isPrivateHost(url),
    proxyFor,
    lookup,
  })
  // Headers have a deadline of our own, which counts from the question on.
  const common = {
    connect: connector,
    pipelining: 1,
    bodyTimeout: idle,
    headersTimeout: 0,
    keepAliveTimeout: 30_000,
  }
  const lanes = {
    blobs: new Agent(common),
    metadata: new Agent({ ...common, connections: metadataConnections }),
  }

  const bounded = deadline(name, headers)
  const budget = rateBudget(now)
  const received = minorGc(options.collectGarbage ?? (() => {}))
  const plain = exchange({ upstream: name, origin: url.origin, lanes, telemetry, budget })
  const tokens = tokenSource({ upstream: name, ask: plain, bounded, credentials })
  const own = authorizer({ upstream: name, url, tokenRealms, credentials, tokens, ask: plain })
  const ask = followRedirects({ upstream: name, origin: url.origin, own, others: plain })

  return {
    name,
    get isNearlyExhausted() {
      return budget.isNearlyExhausted
    },
    repository: (repository) =>
      upstreamRepository({ upstream: name, url, repository, ask, bounded, telemetry, budget, received }),
    async close() {
      await Promise.all([lanes.blobs.destroy(), lanes.metadata.destroy()])
    },
  }
}
