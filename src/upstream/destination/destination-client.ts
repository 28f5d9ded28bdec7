import type { LookupFunction } from 'node:net'
import type { Destination } from '../../ports/moving/destination.ts'
import type { UpstreamTelemetry } from '../../ports/telemetry.ts'
import { anonymousElsewhere } from '../auth/anonymous-elsewhere.ts'
import { authorizer } from '../auth/authorizer.ts'
import { tokenSource } from '../auth/token.ts'
import type { Credentials } from '../credentials/credentials.ts'
import { HeadHabits } from '../head-habits.ts'
import { Connections } from '../net/connections.ts'
import { dialer, dialledAs } from '../net/dialer.ts'
import { dialPolicy } from '../net/dial-policy.ts'
import { places } from '../net/places.ts'
import type { ProxyFor } from '../net/proxy-environment.ts'
import { followRedirects } from '../net/redirects.ts'
import { httpTransport } from '../net/transport.ts'
import { nodeTrust, type SystemTrust, upstreamTrust } from '../net/trust-store.ts'
import { withTimeout } from '../net/with-timeout.ts'
import { ApiSupport } from '../api-support.ts'
import { ByRepository } from '../by-repository.ts'
import type { Transport } from '../requests.ts'
import { rateBudget } from '../resilience/rate-budget.ts'
import { destinationRepository } from './destination-repository.ts'
import { keyOf, sealOf } from './seal.ts'

export interface DestinationOptions {
  /** Its origin, `https://registry.site-b.example`. */
  readonly url: string
  /** Anonymous without. */
  readonly credentials?: Credentials | undefined
  /** Further origins that may issue tokens for the credentials. */
  readonly tokenRealms?: readonly string[] | undefined
  /** PEM certificates of authorities to trust besides the system's. */
  readonly ca?: string | undefined
  /** The system's authorities. Omitted: Node's own only. */
  readonly systemTrust?: SystemTrust | undefined
  /** Skips the verification of its certificate and of those of `tokenRealms`. */
  readonly insecure?: boolean | undefined
  readonly timeouts?: DestinationTimeouts
  /** The ports of our own listeners, to which no redirect leads. */
  readonly ownPorts?: (() => Iterable<number>) | undefined
  readonly proxyFor?: ProxyFor | undefined
  readonly via?: (() => string) | undefined
  /** Replaces the system's name resolution. */
  readonly lookup?: LookupFunction
}

/** Milliseconds. */
export interface DestinationTimeouts {
  /** From the name lookup to the connection, TLS included. */
  readonly connect?: number
  /** From a request without a long body to the whole response. */
  readonly response?: number
  /** Between two pieces of a long body. */
  readonly idle?: number
  /** From the last byte of a blob to the response: the destination may move it, or hash it, before. */
  readonly commit?: number
}

const SILENT: UpstreamTelemetry = {
  answered() {},
  denied() {},
  received() {},
  rateLimit() {},
  credentials() {},
  circuit() {},
}

const now = (): number => performance.now()

/** Requests of the metadata lane at once. Blobs are limited by `upload/`. */
const REQUESTS = 32

/**
 * The client of a registry that is written to. Credentials go to its own authority, and to token realms as
 * `realmAllowed` has them; a `Location` elsewhere gets none. It dials nothing before the first request.
 */
export function destinationClient(options: DestinationOptions): Destination & { close(): Promise<void> } {
  const { ca, insecure, tokenRealms = [], systemTrust = nodeTrust(), proxyFor, lookup } = options
  const { connect = 10_000, response = 30_000, idle = 60_000, commit = 600_000 } = options.timeouts ?? {}
  const url = new URL(options.url)
  const name = url.host
  const trust = ca === undefined ? systemTrust : upstreamTrust({ system: systemTrust, ca, failed: () => {} })
  const connections = new Connections({
    connect: dialer({
      trust: trust.context,
      insecure,
      connectTimeout: connect,
      trusted: new Set([url, ...tokenRealms.map((realm) => new URL(realm))].map(dialledAs)),
      policy: dialPolicy({ url, allowPrivate: undefined, ownPorts: options.ownPorts ?? (() => []) }),
      proxyFor,
      lookup,
    }),
    idle,
    metadataConnections: REQUESTS,
  })
  const plain = httpTransport({
    upstream: name,
    origin: url.origin,
    connections,
    places: places(REQUESTS),
    telemetry: SILENT,
    budget: rateBudget(now),
    // Uploads are repeated by rules of their own.
    health: { check() {}, responded() {}, failed() {}, silent() {}, heard() {}, close() {} },
    silence: response,
    via: options.via,
  })
  const withinResponse = withTimeout(name, response)
  const login = async (): Promise<Credentials | undefined> => options.credentials
  const asUs = { upstream: name, transport: plain, withTimeout: withinResponse }
  const own = authorizer({
    upstream: name,
    url,
    tokenRealms,
    credentials: login,
    tokens: tokenSource({ ...asUs, credentials: login }),
    transport: plain,
    writes: true,
  })
  const others = anonymousElsewhere({
    upstream: name,
    transport: plain,
    tokens: tokenSource({ ...asUs, credentials: async () => undefined }),
  })
  const reads = followRedirects({ upstream: name, origin: url.origin, own, others })
  const transport: Transport = (request) => {
    if (request.method === 'GET' || request.method === 'HEAD') return reads(request)
    return (request.url.origin === url.origin ? own : others)(request)
  }
  const learnt = {
    referrers: new ByRepository(() => new ApiSupport(now)),
    heads: new ByRepository(() => new HeadHabits(now)),
  }

  return {
    name,
    key: keyOf(url.origin, options.credentials),
    seal: sealOf(options.credentials),
    repository: (repository) =>
      destinationRepository({
        upstream: name,
        url,
        repository,
        transport,
        withinResponse,
        idle,
        commit,
        learnt,
      }),
    close: () => connections.close(),
  }
}
