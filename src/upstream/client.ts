import type { SearchUpstream } from '../ports/search.ts'
import type { Upstream } from '../ports/upstream.ts'
import { ApiSupport } from './api-support.ts'
import { ByRepository } from './by-repository.ts'
import { anonymousElsewhere } from './auth/anonymous-elsewhere.ts'
import { authorizer } from './auth/authorizer.ts'
import { tokenSource } from './auth/token.ts'
import { BodyRate } from './body/body-rate.ts'
import { LongBodies } from './body/long-bodies.ts'
import { minorGc } from './body/minor-gc.ts'
import type { UpstreamClientOptions } from './client-options.ts'
import { credentialVerdicts } from './credentials/credential-verdicts.ts'
import { HeadHabits } from './head-habits.ts'
import { Connections } from './net/connections.ts'
import { connectorOf, dialing, dialledAs } from './net/dialer.ts'
import { dialPolicy } from './net/dial-policy.ts'
import { places } from './net/places.ts'
import { followRedirects } from './net/redirects.ts'
import { tracedTransport } from './net/traced-transport.ts'
import { httpTransport } from './net/transport.ts'
import { nodeTrust } from './net/trust-store.ts'
import { withTimeout } from './net/with-timeout.ts'
import { upstreamRepository } from './repository.ts'
import { discard } from './requests.ts'
import { type HostHealth, hostHealth } from './resilience/host-health.ts'
import { rateBudget } from './resilience/rate-budget.ts'
import { searchIndex } from './search/search-index.ts'
import { PageSize } from './tags/page-size.ts'
import { ListRoom } from './tags/list-room.ts'
import { readingThread } from './body/reading-thread.ts'
import { tagSorter } from './tags/sorter.ts'
import { v1Repositories } from './v1/v1-repository.ts'

/**
 * Milliseconds without a response after which a connection is doubted, and at most this share of the
 * deadline.
 */
const SILENCE = 3_000
const SILENCE_SHARE = 0.3
/** Connections for each request that may wait at once: requests that are silent wait besides. */
const HANGING = 4
/** Milliseconds. containerd waits 30 s for headers. */
const LATEST_PROMISE = 15_000
/** The share of the deadline that a ping may take: silence and ping fit into one deadline. */
const PING_SHARE = 0.5

export interface UpstreamClient extends Upstream {
  readonly search: SearchUpstream
  /** Another replica finds that the host is out, or is back. */
  heardHost(isOut: boolean): void
  close(): Promise<void>
}

/** What is out when nothing of a host is reached. */
export const HOST = 'host'

const anonymous = async (): Promise<undefined> => undefined

/** The client of one registry. It dials nothing before the first request. */
export function upstreamClient(options: UpstreamClientOptions): UpstreamClient {
  const { name, telemetry, tokenRealms = [], metadataRequests = 64, lookup, neighbours } = options
  const { trust = nodeTrust(), insecure, proxyFor, now = () => performance.now() } = options
  const { patternFor = () => undefined } = options
  const { connect = 5_000, headers = 10_000, blob = headers, idle = 30_000 } = options.timeouts ?? {}
  const credentials = options.credentials ?? anonymous
  const url = new URL(options.url)

  const dial = dialing({
    trust: trust.context,
    insecure,
    connectTimeout: connect,
    trusted: new Set([url, ...tokenRealms.map((realm) => new URL(realm))].map(dialledAs)),
    policy: dialPolicy({ url, allowPrivate: options.allowPrivate, ownPorts: options.ownPorts ?? (() => []) }),
    proxyFor,
    lookup,
  })
  const connections = new Connections({
    connect: connectorOf(dial),
    dial,
    idle,
    metadataConnections: metadataRequests * HANGING,
  })

  const ping = withTimeout(name, headers * PING_SHARE)
  const deadlines = { response: withTimeout(name, headers), blob: withTimeout(name, blob) }
  const budget = rateBudget(now)
  const received = (bytes: number): void => telemetry.received(name, bytes)
  const weighed = (weight: number): void => telemetry.weighed?.(name, weight)
  const allocated = minorGc(options.collectGarbage ?? (() => {}))
  const pingPath = options.v1 === undefined ? '/v2/' : '/v1/_ping'
  const pingUrl = new URL(`${url.pathname.replace(/\/$/, '')}${pingPath}`, url)
  const health: HostHealth = hostHealth({
    ping: () =>
      ping(async (signal) => discard(await plain({ kind: 'ping', method: 'GET', url: pingUrl, signal }))),
    changed: (reason) => options.state?.report('host', reason),
    neighbours: neighbours && {
      tell: (isOut) => neighbours.tell({ endpoint: name, what: HOST, isOut }),
      mayProbe: (milliseconds) => neighbours.mayProbe(name, milliseconds),
    },
    now,
  })
  const http = httpTransport({
    upstream: name,
    origin: url.origin,
    connections,
    places: places(metadataRequests),
    telemetry,
    budget,
    health,
    silence: Math.min(SILENCE, headers * SILENCE_SHARE),
    slowBlobs: blob > headers,
    via: options.via,
  })
  const plain = options.tracer === undefined ? http : tracedTransport(http, options.tracer)
  const told = credentialVerdicts(patternFor, (verdict, said, shown) =>
    telemetry.credentials(name, verdict, said, shown),
  )
  const tokens = tokenSource({
    upstream: name,
    transport: plain,
    withTimeout: deadlines.response,
    credentials,
    patternFor,
    told,
  })
  const own = authorizer({ upstream: name, url, tokenRealms, credentials, tokens, transport: plain, told })
  const others = anonymousElsewhere({
    upstream: name,
    transport: plain,
    tokens: tokenSource({
      upstream: name,
      transport: plain,
      withTimeout: deadlines.response,
      credentials: anonymous,
    }),
  })
  const transport = followRedirects({ upstream: name, origin: url.origin, own, others })

  const learnt = {
    pageSize: new PageSize(),
    referrers: new ByRepository(() => new ApiSupport(now)),
    heads: new ByRepository(() => new HeadHabits(now)),
  }
  const { reading = readingThread() } = options
  const sorter = tagSorter(reading)
  const listRoom = new ListRoom(name)
  const longBodies = new LongBodies(name, headers)
  const rate = options.rate === undefined ? undefined : new BodyRate(options.rate, now)
  const takesItsTime = options.timeouts?.blob !== undefined
  const promisesBlobsAfter = takesItsTime ? Math.min(headers, LATEST_PROMISE) : undefined

  const common = {
    upstream: name,
    url,
    transport,
    deadlines,
    budget,
    received,
    weighed,
    allocated,
    longBodies,
    asker: options.asker,
    rate,
    promisesBlobsAfter,
    reading,
  }
  const v1 = options.v1 && v1Repositories({ ...common, store: options.v1 })

  return {
    name,
    get isNearlyExhausted() {
      return budget.isNearlyExhausted
    },
    repository: (repository) =>
      v1?.repository(repository) ?? upstreamRepository({ ...common, repository, learnt, sorter, listRoom }),
    search: searchIndex({ upstream: name, url, transport, withTimeout: deadlines.response, now }),
    heardHost: health.heard,
    async close() {
      await v1?.close()
      health.close()
      await connections.close()
    },
  }
}
