import type { RequestListener } from 'node:http'
import type { Logger } from 'pino'
import { LOOPBACK, networks } from './access/networks.ts'
import { adminAccess } from './admin/access.ts'
import { adminApp } from './admin/app.ts'
import { readiness } from './admin/health.ts'
import { metrics } from './admin/metrics.ts'
import type { Config } from './config.ts'
import { adminToken } from './config/admin-token.ts'
import { describeFrontDoor, follow, frontDoor, renewing, tlsOf } from './front-door.ts'
import { registryApp } from './http/app.ts'
import { listen, type Listening } from './http/server.ts'
import { evictor } from './registry/evictor.ts'
import { proxyRegistry } from './registry/proxy-registry.ts'
import { router } from './registry/routing.ts'
import { transferManager } from './registry/transfer-manager.ts'
import { ttlScheduler } from './registry/ttl-scheduler.ts'
import { filesystemStore } from './storage/filesystem-store.ts'
import { upstreamClient } from './upstream/client.ts'
import { guardedUpstream } from './upstream/guarded-upstream.ts'

export interface Entrepot {
  readonly registry: Listening
  /** undefined when the configuration turns it off. */
  readonly admin: Listening | undefined
  /** Answers no longer as ready, lets running answers end for at most `grace` milliseconds, and closes the store. */
  stop(grace: number): Promise<void>
}

/** Builds the parts, hands them to each other, and listens. The only place that sees all of them. */
export async function entrepot(config: Config, log: Logger): Promise<Entrepot> {
  const { storage, cache, transfers: limits } = config
  const numbers = metrics(() => store.inventory.usage())
  const storeFailed = (error: unknown) => log.error({ err: error }, 'the store failed')
  const store = await filesystemStore({
    root: storage.root,
    telemetry: numbers.store,
    rebuilding: () => log.info('looking through the store for what the index does not know'),
  })
  await store.sweepPartials({ olderThan: limits.keepPartialFor, maxBytes: limits.keepPartial })

  const clients = Object.values(config.upstreams).map(({ credentials, ca, ...upstream }) =>
    upstreamClient({
      ...upstream,
      credentials: async () => credentials,
      ...(ca && { ca: ca.text }),
      telemetry: numbers.upstreams,
    }),
  )
  const upstreams = new Map(
    clients.map((client) => [client.name, guardedUpstream(client, { telemetry: numbers.upstreams })]),
  )
  const evicting = evictor({
    store: store.blobs,
    inventory: store.inventory,
    tags: store.tags,
    policy: { ttl: cache.ttl, maxSize: storage.maxSize, minFree: storage.minFree },
    telemetry: numbers.store,
    now: Date.now,
  })
  const transfers = transferManager({
    store: store.blobs,
    policy: { ...limits, retryDelay: 400 },
    lanes: (upstream) => ({ ...limits, width: config.upstreams[upstream]!.maxTransfers }),
    makeRoom: evicting.makeRoom,
    telemetry: numbers.transfers,
    failed: (transfer, error) => log.warn({ transfer, err: error }, 'a transfer failed'),
    now: () => performance.now(),
  })
  const scheduler = ttlScheduler({ sweep: cache.sweep, evictor: evicting, failed: storeFailed })
  const registry = proxyRegistry({
    route: router(Object.values(config.upstreams), config.defaultUpstream),
    upstreams,
    store,
    transfers,
    freshness: { rules: cache.tags, staleIfError: cache.staleIfError },
    negative: cache.negative,
    storeFailed,
    now: Date.now,
  })

  let draining = false
  const { host, port, tls, maxConnections, maxConnectionsPerAddress } = config.listen
  const door = frontDoor(config, log)
  const following = new DisposableStack()
  const listening = await listen(
    registryApp({
      registry,
      ...(door.gate && { gate: door.gate }),
      telemetry: numbers.requests,
      ...(config.log.access && { logger: log }),
    }),
    {
      host,
      port,
      ...(tls && { tls: tlsOf(tls) }),
      connections: {
        most: maxConnections,
        mostPerAddress: maxConnectionsPerAddress,
        isExempt: door.isTrustedProxy,
      },
    },
  )
  if (tls) following.use(renewing(listening, tls, log))
  log.info(
    { listener: 'registry', host, port: listening.port, access: describeFrontDoor(config) },
    'listening',
  )
  const ready = readiness({ isDraining: () => draining, probeStore: () => store.probe() })
  const { history } = store.tags
  const administration = adminApp({ metrics: numbers, ready, transfers: transfers.list, history })
  const admin = config.admin && (await listenAdmin(config.admin, administration, following, log))
  if (admin) log.info({ listener: 'admin', host: config.admin.host, port: admin.port }, 'listening')

  return {
    registry: listening,
    admin: admin || undefined,
    async stop(grace) {
      draining = true
      await scheduler.stop()
      await listening.close(grace)
      await transfers[Symbol.asyncDispose]()
      await Promise.all(clients.map((client) => client.close()))
      if (admin) await admin.close(0)
      following.dispose()
      await door[Symbol.asyncDispose]()
      await store.close()
    },
  }
}

async function listenAdmin(
  config: Exclude<Config['admin'], false>,
  administration: RequestListener,
  following: DisposableStack,
  log: Logger,
): Promise<Listening> {
  const { host, port, tls, hosts, access, tokenFile } = config
  let { token } = config
  if (tokenFile) following.use(follow([tokenFile], ([text]) => (token = adminToken(text!)), log))
  const letIn = adminAccess({
    isLocal: networks(LOOPBACK),
    ...(access.networks && { isServed: networks(access.networks) }),
    hosts: [host, ...hosts].map((name) => name.toLowerCase()),
    token: () => token,
  })
  const listening = await listen(letIn(administration), { host, port, ...(tls && { tls: tlsOf(tls) }) })
  if (tls) following.use(renewing(listening, tls, log))
  return listening
}
