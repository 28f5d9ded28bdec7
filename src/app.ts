import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { type FreshnessPolicy, freshnessOf } from './cache/freshness.ts'
import { memoryCache } from './cache/memory.ts'
import { proxyRegistry } from './cache/proxy-registry.ts'
import { router } from './cache/routing.ts'
import { openAdminListener } from './compose/admin-listener.ts'
import { processClock } from './compose/clock.ts'
import type { Listening } from './compose/listening.ts'
import { buildInsight } from './compose/insight.ts'
import { openStore } from './compose/open-store.ts'
import { buildObservation } from './compose/observation.ts'
import { openRegistryListener } from './compose/registry-listener.ts'
import { storeLog } from './compose/store-log.ts'
import { startSchedules } from './compose/schedules.ts'
import { buildUpstreams } from './compose/upstreams.ts'
import type { Config } from './config/load-config.ts'
import { DownloadManager } from './download/manager.ts'
import { evictor } from './eviction/evictor.ts'
import { quotaStore } from './eviction/quota-store.ts'
import { loopGuard } from './util/loop-guard.ts'

export interface Entrepot {
  readonly registry: Pick<Listening, 'port' | 'url'>
  /** undefined when the configuration turns it off. */
  readonly admin: Pick<Listening, 'port' | 'url'> | undefined
  /** Stops as the configuration says under `shutdown`, unless told otherwise. */
  stop(how?: Config['shutdown']): Promise<void>
  /** For a process that exits at once: ends the credential helpers, which would outlive it. */
  abandon(): void
}

/**
 * Builds the parts, hands them to each other, and listens. When one fails, those built before it are closed.
 *
 * @param env the environment of credential helpers, which also names the proxies to use
 * @param collectGarbage runs a minor garbage collection
 */
export async function entrepot(
  config: Config,
  log: Logger,
  env: NodeJS.ProcessEnv = {},
  collectGarbage?: () => void,
): Promise<Entrepot> {
  const { storage, cache, transfers: limits } = config
  await using starting = new AsyncDisposableStack()
  const now = processClock((step) => {
    log.warn({ milliseconds: step }, 'the clock was set, and is followed')
    void disk.clockStepped(step)
  })
  let listener: Listening | undefined
  const observed = buildObservation(config, {
    log,
    now,
    usage: () => store.inventory.usage(),
    savingsLog: () => disk.savings,
    connections: async () => (await listener?.connections()) ?? 0,
  })
  const { telemetry } = observed
  const aboutStore = storeLog(log, storage.minFree)
  const disk = await openStore(config, telemetry.store, log, now)
  const store = memoryCache(disk)
  starting.defer(() => store.close())
  starting.use(observed.savings)
  aboutStore.check(await store.inventory.usage())
  await store.sweepPartials({ olderThan: limits.keepPartialFor, maxBytes: limits.keepPartial })

  const loops = loopGuard()
  const ownPorts = new Set<number>()
  const upstreams = starting.use(
    buildUpstreams(config, {
      log,
      telemetry: telemetry.upstreams,
      env,
      collectGarbage,
      loops,
      ownPorts: () => ownPorts,
    }),
  )
  const isNearlyExhausted = (name: string) => upstreams.byName.get(name)?.isNearlyExhausted ?? false
  const evicting = evictor({
    store: store.blobs,
    inventory: store.inventory,
    tags: store.tags,
    policy: { ...cache, ...storage },
    pinned: store.pins.content,
    partials: {
      sweep: () => store.sweepPartials({ olderThan: limits.keepPartialFor, maxBytes: limits.keepPartial }),
      evict: (bytes) => store.evictPartials(bytes),
    },
    isNearlyExhausted,
    isOut: (name) => upstreams.byName.get(name)?.status.state === 'out',
    telemetry: telemetry.store,
    now,
  })
  const blobs = quotaStore(store.blobs, evicting, telemetry.ingest)
  const downloads = starting.use(
    new DownloadManager({
      store: blobs,
      policy: { ...limits, retryDelay: 400 },
      queues: (upstream) => ({ ...limits, places: config.upstreams[upstream]!.maxTransfers }),
      telemetry: telemetry.transfers,
      failed: observed.transferFailed,
      now: () => performance.now(),
    }),
  )
  const freshness: FreshnessPolicy = { rules: cache.tags, staleIfError: cache.staleIfError }
  const registry = proxyRegistry({
    route: router(Object.values(config.upstreams), config.defaultUpstream),
    upstreams: new Map(upstreams.all.map((upstream) => [upstream.name, observed.record(upstream)])),
    rules: (upstream) => config.upstreams[upstream]!,
    store: { ...store, blobs },
    downloads,
    freshness,
    negative: cache.negative,
    lists: cache.lists,
    storeFailed: observed.storeFailed,
    now,
  })

  const schedules = starting.use(startSchedules(config, { log, evictor: evicting, verify: store.verify }))

  let isDraining = false
  const { requests, server } = telemetry
  listener = starting.use(
    await openRegistryListener(config, {
      registry,
      telemetry: requests,
      server,
      loops,
      advise: observed.advise,
      log,
    }),
  )
  const admin = starting.use(
    await openAdminListener(config, {
      metrics: observed.metrics,
      server,
      transfers: () => downloads.list(),
      history: disk.tags.history,
      storedUpstreams: await disk.upstreams(),
      operations: store,
      audit: observed.audit,
      events: observed.events,
      insight: buildInsight(config, {
        observed,
        registry,
        tags: disk.tags,
        inspect: disk.inspect,
        pins: disk.pins,
        freshness: ({ upstream }, tag, entry) =>
          freshnessOf(tag, entry, now(), freshness, isNearlyExhausted(upstream)),
        usage: () => store.inventory.usage(),
        transfers: () => downloads.list(),
        now,
      }),
      isDraining: () => isDraining,
      probeStore: () => store.probe(),
      details: () => (aboutStore.problem === undefined ? [] : [aboutStore.problem]),
      log,
    }),
  )

  for (const open of [listener, admin]) if (open) ownPorts.add(open.port)

  const parts = starting.move()
  return {
    registry: listener,
    admin,
    async stop({ delay, grace } = config.shutdown) {
      isDraining = true
      if (delay > 0) await sleep(delay)
      await schedules[Symbol.asyncDispose]()
      await listener.close(grace)
      await parts.disposeAsync()
    },
    abandon: upstreams.abandon,
  }
}
