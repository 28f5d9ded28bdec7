import type { RequestListener } from 'node:http'
import type { Logger } from 'pino'
import { adminAccess } from './admin/admin-access.ts'
import { cidrList, LOOPBACK } from './util/cidr.ts'
import { adminApp } from './admin/admin-routes.ts'
import { readiness } from './admin/health.ts'
import { metrics } from './admin/metrics.ts'
import type { Config } from './config/load-config.ts'
import { adminToken } from './config/admin-token.ts'
import { reloadTls, tlsFrom } from './compose/listener-tls.ts'
import { buildRegistryAuth, describeRegistryAuth } from './compose/registry-auth.ts'
import { reloadOnChange } from './compose/reload-on-change.ts'
import { registryListener } from './http/registry-listener.ts'
import { listen, type HttpServerHandle } from './http/server/http-server.ts'
import type { ImageCatalogue } from './ports/operations.ts'
import { parseImagePattern } from './oci/image-pattern.ts'
import { openStore } from './compose/open-store.ts'
import { evictor } from './eviction/evictor.ts'
import { hotLinks } from './cache/hot-links.ts'
import { hotStore } from './cache/hot-store.ts'
import { hotTags } from './cache/hot-tags.ts'
import { proxyRegistry } from './cache/proxy-registry.ts'
import { roomyStore } from './eviction/quota-store.ts'
import { router } from './cache/routing.ts'
import { scrubScheduler } from './eviction/scrub-scheduler.ts'
import { DownloadManager } from './download/manager.ts'
import { ttlScheduler } from './eviction/ttl-scheduler.ts'
import { upstreamClient } from './upstream/client.ts'
import { credentialSource } from './upstream/credentials/credential-source.ts'
import { guardedUpstream } from './upstream/resilience/with-circuit-breaker.ts'
import { proxiesFrom } from './upstream/net/proxy-environment.ts'

export interface Entrepot {
  readonly registry: HttpServerHandle
  /** undefined when the configuration turns it off. */
  readonly admin: HttpServerHandle | undefined
  /** Answers no longer as ready, lets running answers end for at most `grace` milliseconds, and closes the store. */
  stop(grace: number): Promise<void>
  /** For when the process ends before that is done: ends the credential helpers that run, which would outlive it. */
  abandon(): void
}

/** Builds the parts, hands them to each other, and listens. The only place that sees all of them. `env` is for credential helpers, and says which proxies to use. */
export async function entrepot(
  config: Config,
  log: Logger,
  env: NodeJS.ProcessEnv = {},
  collectGarbage?: () => void,
): Promise<Entrepot> {
  const { storage, cache, transfers: limits } = config
  const numbers = metrics(() => store.inventory.usage())
  const storeFailed = (error: unknown) => log.error({ err: error }, 'the store failed')
  const store = await openStore(config, numbers.store, log, now)
  await store.sweepPartials({ olderThan: limits.keepPartialFor, maxBytes: limits.keepPartial })

  const links = hotLinks(store.links)
  const tags = hotTags(store.tags)
  const hot = hotStore(store.blobs, { used: store.inventory.use, discard: store.discard })
  const stopping = new AbortController()
  const proxyFor = proxiesFrom(env)
  const clients = Object.values(config.upstreams).map(
    ({ credentials: login, credentialHelper: helper, dockerConfig, ca, ...upstream }) =>
      upstreamClient({
        ...upstream,
        credentials: credentialSource({
          upstream: upstream.name,
          url: upstream.url,
          ...(login && { login }),
          ...(helper !== undefined && { helper }),
          ...(dockerConfig !== undefined && { dockerConfig }),
          env,
          signal: stopping.signal,
          failed: (err) => log.warn({ upstream: upstream.name, err }, 'old credentials are still used'),
        }),
        ...(ca && { ca: ca.text }),
        proxyFor,
        ...(collectGarbage && { collectGarbage }),
        telemetry: numbers.upstreams,
      }),
  )
  const upstreams = new Map(
    clients.map((client) => [client.name, guardedUpstream(client, { telemetry: numbers.upstreams })]),
  )
  const evicting = evictor({
    store: hot,
    inventory: store.inventory,
    tags,
    policy: { ...cache, ...storage },
    pinned: store.pins.content,
    isScarce: (name) => upstreams.get(name)?.isNearlyExhausted ?? false,
    telemetry: numbers.store,
    now,
  })
  const blobs = roomyStore(hot, evicting, numbers.store)
  const transfers = new DownloadManager({
    store: blobs,
    policy: { ...limits, retryDelay: 400 },
    queues: (upstream) => ({ ...limits, places: config.upstreams[upstream]!.maxTransfers }),
    telemetry: numbers.transfers,
    failed: (transfer, error) => log.warn({ transfer, err: error }, 'a transfer failed'),
    now: () => performance.now(),
  })
  const scheduler = ttlScheduler({ sweep: cache.sweep, evictor: evicting, failed: storeFailed })
  const scrubbing =
    storage.scrub === undefined
      ? undefined
      : scrubScheduler({
          scrub: storage.scrub,
          verify: store.verify,
          done: ({ objects, bad }) => log.info({ objects, bad }, 'verified all that is stored'),
          failed: storeFailed,
        })
  const registry = proxyRegistry({
    route: router(Object.values(config.upstreams), config.defaultUpstream),
    upstreams,
    rules: (upstream) => config.upstreams[upstream]!,
    store: { blobs, links, references: store.references, tags },
    memory: { content: hot.recall, isLinked: links.recall, tag: tags.recall },
    transfers,
    freshness: { rules: cache.tags, staleIfError: cache.staleIfError },
    negative: cache.negative,
    storeFailed,
    now,
  })

  let draining = false
  const { host, port, tls, maxConnections, maxConnectionsPerAddress } = config.listen
  const auth = buildRegistryAuth(config, log)
  const following = new DisposableStack()
  const listening = await listen(
    registryListener({
      registry,
      ...(auth.authenticator && { authenticator: auth.authenticator }),
      telemetry: numbers.requests,
      ...(config.log.access && { logger: log }),
    }),
    {
      host,
      port,
      ...(tls && { tls: tlsFrom(tls) }),
      connections: {
        most: maxConnections,
        mostPerAddress: maxConnectionsPerAddress,
        isExempt: auth.isTrustedProxy,
      },
    },
  )
  if (tls) following.use(reloadTls(listening, tls, log))
  log.info(
    { listener: 'registry', host, port: listening.port, access: describeRegistryAuth(config) },
    'listening',
  )
  const ready = readiness({ isDraining: () => draining, probeStore: () => store.probe() })
  const { history } = store.tags
  const administration = adminApp({
    metrics: numbers,
    ready,
    transfers: () => transfers.list(),
    history,
    operations: {
      ...store,
      catalogue: afterPurge(store.catalogue, () => {
        hot.clear()
        links.clear()
        tags.clear()
      }),
    },
    parsePattern: (text) => parseImagePattern(text, Object.keys(config.upstreams)),
    failed: (error) => log.error({ err: error }, 'a request to the admin API failed'),
  })
  const admin = config.admin && (await listenAdmin(config.admin, administration, following, log))
  if (admin) log.info({ listener: 'admin', host: config.admin.host, port: admin.port }, 'listening')

  return {
    registry: listening,
    admin: admin || undefined,
    async stop(grace) {
      draining = true
      await scheduler.stop()
      await scrubbing?.stop()
      await listening.close(grace)
      await transfers[Symbol.asyncDispose]()
      stopping.abort()
      await Promise.all(clients.map((client) => client.close()))
      if (admin) await admin.close(0)
      following.dispose()
      await auth[Symbol.asyncDispose]()
      await store.close()
    },
    abandon: () => stopping.abort(),
  }
}

/** What was purged is not to be served from memory either. */
function afterPurge(catalogue: ImageCatalogue, clear: () => void): ImageCatalogue {
  return {
    ...catalogue,
    purge: (pattern, options) => catalogue.purge(pattern, options).finally(clear),
  }
}

/** Epoch milliseconds by the clock as it was when the process began: nothing expires, or is fresh again, because that is set. */
function now(): number {
  return Math.floor(performance.timeOrigin + performance.now())
}

async function listenAdmin(
  config: Exclude<Config['admin'], false>,
  administration: RequestListener,
  following: DisposableStack,
  log: Logger,
): Promise<HttpServerHandle> {
  const { host, port, tls, hosts, access, tokenFile } = config
  let { token } = config
  if (tokenFile) following.use(reloadOnChange([tokenFile], ([text]) => (token = adminToken(text!)), log))
  const letIn = adminAccess({
    isLocal: cidrList(LOOPBACK),
    ...(access.networks && { isServed: cidrList(access.networks) }),
    hosts: [host, ...hosts].map((name) => name.toLowerCase()),
    token: () => token,
  })
  const listening = await listen(letIn(administration), { host, port, ...(tls && { tls: tlsFrom(tls) }) })
  if (tls) following.use(reloadTls(listening, tls, log))
  return listening
}
