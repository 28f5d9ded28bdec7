import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { memoryCache } from './cache/memory.ts'
import { openAdminListener } from './compose/admin-listener.ts'
import { processClock } from './compose/clock.ts'
import { describeProcess } from './compose/description.ts'
import type { Listening } from './compose/listening.ts'
import { openStore, pinnedIn } from './compose/open-store.ts'
import { buildObservation, watchedUpstreams } from './compose/observation.ts'
import { openRegistryListener } from './compose/registry-listener.ts'
import { storeLog } from './compose/store-log.ts'
import { startSchedules } from './compose/schedules.ts'
import { buildUpstreams } from './compose/upstreams.ts'
import type { Config } from './config/load-config.ts'
import { reloadedConfig } from './config/reload.ts'
import { DownloadManager } from './download/manager.ts'
import { evictor } from './eviction/evictor.ts'
import { quotaStore } from './eviction/quota-store.ts'
import { buildServing } from './serving.ts'
import { latest } from './util/latest.ts'
import { loopGuard } from './util/loop-guard.ts'

export interface Entrepot {
  readonly registry: Pick<Listening, 'port' | 'url'>
  /** undefined when the configuration turns it off. */
  readonly admin: Pick<Listening, 'port' | 'url'> | undefined
  /** What it runs with, for the log. */
  describe(): Promise<object>
  /**
   * Goes over to another configuration. What runs is finished as it began.
   *
   * @returns the keys that have changed and hold after the next start
   */
  reload(next: Config): Promise<readonly string[]>
  /** Stops as the configuration says under `shutdown`, unless told otherwise. */
  stop(how?: Config['shutdown']): Promise<void>
  /** For a process that exits at once: ends the credential helpers, which would outlive it. */
  abandon(): void
}

/** The upstream is gone from the configuration, and a download of it runs. */
const LAST_TRANSFERS = 16

/**
 * Builds the parts, hands them to each other, and listens. When one fails, those built before it are closed.
 *
 * @param env the environment of credential helpers, which also names the proxies to use
 * @param collectGarbage runs a minor garbage collection
 */
export async function entrepot(
  initial: Config,
  log: Logger,
  env: NodeJS.ProcessEnv = {},
  collectGarbage?: () => void,
): Promise<Entrepot> {
  // What a reload changes: the snapshot, and the parts of it that others hold.
  let config = initial
  const eviction = { ...config.cache, ...config.storage }
  const policy = { ...config.transfers, retryDelay: 400 }
  const pinned = [...pinnedIn(config)]

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
  const aboutStore = storeLog(log, config.storage.minFree)
  const disk = await openStore(config, telemetry.store, log, now, pinned)
  const store = memoryCache(disk)
  starting.defer(() => store.close())
  starting.use(observed.savings)
  aboutStore.check(await store.inventory.usage())
  const sweepPartials = () =>
    store.sweepPartials({ olderThan: policy.keepPartialFor, maxBytes: policy.keepPartial })
  await sweepPartials()

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
  const evicting = evictor({
    store: store.blobs,
    inventory: store.inventory,
    tags: store.tags,
    policy: eviction,
    pinned: store.pins.content,
    partials: { sweep: sweepPartials, evict: (bytes) => store.evictPartials(bytes) },
    isNearlyExhausted: (name) => upstreams.byName.get(name)?.isNearlyExhausted ?? false,
    isOut: (name) => upstreams.byName.get(name)?.status.state === 'out',
    telemetry: telemetry.store,
    now,
  })
  const blobs = quotaStore(store.blobs, evicting, telemetry.ingest)
  const downloads = starting.use(
    new DownloadManager({
      store: blobs,
      policy,
      queues: (upstream) => ({
        ...config.transfers,
        places: config.upstreams[upstream]?.maxTransfers ?? LAST_TRANSFERS,
      }),
      telemetry: telemetry.transfers,
      failed: observed.transferFailed,
      now: () => performance.now(),
    }),
  )
  /** A store that does not tell where an upstream was has to be believed. */
  const servedSince = () =>
    disk
      .recordUrls(new Map(Object.values(config.upstreams).map(({ name, url }) => [name, url])))
      .catch((error: unknown) => {
        observed.storeFailed(error)
        return new Map<string, number>()
      })
  const serve = async () =>
    buildServing(config, {
      upstreams,
      servedSince: await servedSince(),
      store: { ...store, blobs },
      downloads,
      observed,
      tags: disk.tags,
      trusted: disk.trusted,
      movesSince: disk.movesSince,
      inspect: disk.inspect,
      pins: disk.pins,
      usage: () => store.inventory.usage(),
      transfers: () => downloads.list(),
      now,
    })
  let serving = await serve()

  const startSchedule = () => startSchedules(config, { log, evictor: evicting, verify: store.verify })
  let schedules = startSchedule()
  starting.defer(() => schedules[Symbol.asyncDispose]())

  // Of upstreams that are configured, were, or that something is stored of.
  const names = new Set([...Object.keys(config.upstreams), ...(await disk.upstreams())])
  let isDraining = false
  const { requests, server } = telemetry
  const registryListener = starting.use(
    await openRegistryListener(config, {
      registry: latest(() => serving.registry),
      telemetry: requests,
      server,
      loops,
      advise: observed.advise,
      log,
    }),
  )
  listener = registryListener
  const admin = starting.use(
    await openAdminListener(config, {
      metrics: observed.metrics,
      server,
      upstreams: () => [...names],
      transfers: () => downloads.list(),
      history: disk.tags.history,
      operations: store,
      audit: observed.audit,
      events: observed.events,
      insight: latest(() => serving.insight),
      trust: latest(() => serving.trust),
      drift: (period) => serving.drift(period),
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
    describe: async () => describeProcess(config, await store.inventory.usage()),
    async reload(next) {
      const before = { config, byName: upstreams.byName }
      const { config: merged, needRestart } = reloadedConfig(config, next)
      config = merged
      log.level = config.log.level
      Object.assign(eviction, config.cache)
      Object.assign(policy, config.transfers)
      pinned.splice(0, pinned.length, ...pinnedIn(config))
      upstreams.configure(config, (upstream) => downloads.settled(upstream))
      const isKept = (name: string) => before.byName.get(name) === upstreams.byName.get(name)
      observed.upstreams.configure(watchedUpstreams(config.upstreams, isKept))
      for (const name of upstreams.byName.keys()) names.add(name)
      serving = await serve()
      registryListener.configure(config)
      if (before.config.cache.sweep !== config.cache.sweep) {
        const old = schedules
        schedules = startSchedule()
        await old[Symbol.asyncDispose]()
      }
      observed.audit.record({
        action: 'reload',
        by: 'this machine',
        from: '-',
        target: 'configuration',
        result: needRestart.length === 0 ? 'done' : `restart needed for ${needRestart.join(', ')}`,
      })
      return needRestart
    },
    async stop({ delay, grace } = config.shutdown) {
      isDraining = true
      if (delay > 0) await sleep(delay)
      await schedules[Symbol.asyncDispose]()
      await registryListener.close(grace)
      await parts.disposeAsync()
    },
    abandon: upstreams.abandon,
  }
}
