import type { Logger } from 'pino'
import { memoryCache, type MemoryCached } from './cache/memory/memory.ts'
import { brokenPromise } from './compose/store/store-log.ts'
import { processClock } from './compose/clock.ts'
import { buildObservation, type Observation, watchedUpstreams } from './compose/observation.ts'
import { openStore } from './compose/store/open-store.ts'
import type { RunningConfig } from './compose/running-config.ts'
import { isUnreachable } from './compose/upstreams/is-unreachable.ts'
import { servedSince } from './compose/upstreams/served-since.ts'
import { buildUpstreams, type Upstreams, type UpstreamsOptions } from './compose/upstreams/upstreams.ts'
import { buildTracing } from './compose/tracing.ts'
import { buildWebhooks, type RunningWebhooks } from './compose/webhooks.ts'
import { DownloadManager } from './download/manager.ts'
import { type Evictor, evictor } from './eviction/evictor.ts'
import { keepLast, keepLastOf } from './eviction/keep-last.ts'
import { withConversions } from './eviction/with-conversions.ts'
import { quotaStore } from './eviction/quota-store.ts'
import type { RunningTransfer } from './ports/insight/insight.ts'
import type { BlobStore } from './ports/blob-store.ts'
import { sharedScarcity, type SharedScarcity } from './cluster/shared-scarcity.ts'
import { listenToReplicas } from './cluster-news.ts'
import { type ClusterSharing, clusterSharing } from './cluster-sharing.ts'
import { buildRemoteParts, type RemoteParts } from './remote-parts.ts'
import { buildConverter } from './converting.ts'
import type { Converter } from './schema1/converter.ts'
import type { FilesystemStore } from './storage/filesystem-store.ts'
import { combined } from './util/combined.ts'
import { v1Store } from './v1-store.ts'
import type { Tracing } from './tracing/tracing.ts'
import { type UpstreamNames, upstreamNames } from './oci/upstream-names.ts'

/** What lives as long as the process, and is shared by all snapshots of the configuration. */
export interface Parts extends AsyncDisposable {
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly observed: Observation
  readonly disk: FilesystemStore
  /** The other replicas, where there are any. */
  readonly sharing: ClusterSharing | undefined
  readonly scarcity: SharedScarcity | undefined
  /** What the last sweep of the remote store has found. */
  readonly bucket: RemoteParts['report'] | undefined
  /** `disk`, with a part of it in memory. */
  readonly store: MemoryCached<FilesystemStore>
  /** The blobs of `store`, with room for what is written. */
  readonly blobs: BlobStore
  readonly upstreams: Upstreams
  readonly evictor: Evictor
  readonly downloads: DownloadManager
  /** What is downloaded now, layers of the first protocol too. */
  transfers(): readonly RunningTransfer[]
  readonly converter: Converter
  readonly webhooks: RunningWebhooks
  /** Undefined where it is off. */
  readonly tracing: Tracing | undefined
  /** The names of upstreams that are configured, were, or that something is stored of. */
  readonly upstreamNames: () => UpstreamNames
  /** Since when each configured upstream is where it is now, in epoch milliseconds. */
  servedSince(): Promise<ReadonlyMap<string, number>>
  /** Goes over to the configuration that holds now. Running downloads end as they began. */
  configure(): void
}

export interface PartsOptions extends Omit<UpstreamsOptions, 'telemetry' | 'owners' | 'record' | 'v1'> {
  readonly log: Logger
  /** The open connections of clients. */
  readonly connections: () => Promise<number>
  /** Called before the start waits for another process to close the store. */
  readonly waiting: (holder: string, observed: Observation) => void
}

/** Places in the queue of an upstream that is gone from the configuration while a download of it runs. */
const LAST_TRANSFERS = 16

/** Builds them. When one fails, those built before it are closed. */
export async function buildParts(
  config: RunningConfig,
  { connections, waiting, ...options }: PartsOptions,
): Promise<Parts> {
  const { log } = options
  await using starting = new AsyncDisposableStack()
  // The clock runs while the store is waited for.
  let opening: FilesystemStore | undefined
  const now = processClock((step) => {
    log.warn({ milliseconds: step }, 'the clock was set, and is followed')
    void opening?.clockStepped(step)
  })
  const observed = buildObservation(config.current, {
    log,
    now,
    usage: () => store.inventory.usage(),
    usageByUpstream: () => store.ofUpstreams.usageByUpstream(),
    shares: () => config.store.shares,
    savingsLog: () => disk.savings,
    has: async (digest) => (await store.blobs.stat(digest)) !== undefined,
    ...(config.current.cluster && {
      elsewhere: async (...parts) => (await cluster?.shared.linked(...parts)) ?? [],
    }),
    imagesOf: (digests) => disk.imagesOf(digests),
    connections,
  })
  const { telemetry } = observed
  const tracing = await buildTracing(config.current, { log, telemetry: telemetry.tracing })
  if (tracing) starting.use(tracing)
  const opened = await openStore(config.current, {
    telemetry: telemetry.store,
    log,
    now,
    settings: config.store,
    purged: async (digests) => remote?.purge(digests),
    forgotten: async (forgotten) => cluster?.forget(forgotten).catch(observed.storeFailed),
    waiting: (holder) => waiting(holder, observed),
  })
  starting.defer(() => opened.close())
  opening = opened
  // PostgreSQL's client is loaded where it is needed.
  const clustered = config.current.cluster && (await import('./cluster-parts.ts'))
  const cluster = await clustered?.buildClusterParts(config.current, {
    disk: opened,
    log,
    telemetry: telemetry.cluster,
    failed: observed.storeFailed,
    settings: config.store,
    now,
  })
  if (cluster) starting.use(cluster)
  const disk = cluster ? { ...opened, ...cluster.index } : opened
  const store = memoryCache(disk)
  starting.use(observed.images)
  starting.use(observed.savings)
  starting.use(observed.trafficHistory)
  const { advertise: replica } = config.current.cluster ?? {}
  const hooks = { ...options, telemetry: telemetry.webhooks, replica, now }
  const webhooks = starting.use(buildWebhooks(config.current, hooks))
  observed.events.subscribe(cluster?.toldOnce(webhooks.tell) ?? webhooks.tell)
  const sweepPartials = () => {
    const { keepPartialFor: olderThan, keepPartial: maxBytes } = config.transfers
    return store.sweepPartials({ olderThan, maxBytes })
  }
  await sweepPartials()
  const watched = { telemetry: telemetry.remote, failed: observed.transferFailed }
  const remote = await buildRemoteParts(config, { ...options, ...watched, disk, cluster, now })
  if (remote) starting.use(remote)

  const scarcity =
    cluster &&
    sharedScarcity({
      tell: (upstream, duration) => cluster.tell({ kind: 'scarce', upstream, duration }),
      now: () => performance.now(),
    })
  const v1 = v1Store({ index: disk.v1, links: store.links, blobs: () => blobs })
  const upstreams = starting.use(
    buildUpstreams(config.current, {
      ...options,
      telemetry: scarcity
        ? combined(telemetry.upstreams, { rateLimit: scarcity.rateLimit, circuit: scarcity.circuit })
        : telemetry.upstreams,
      tracer: tracing?.tracer,
      owners: disk.endpointOwners,
      record: observed.record,
      asker: observed.cost.asker,
      neighbours: cluster?.neighbours,
      v1,
    }),
  )
  const promised = { retained: disk.retained, broken: remote ? () => {} : brokenPromise(log, now), now }
  const evicting = evictor({
    store: withConversions(store.blobs, disk.conversions),
    inventory: keepLast(store.inventory, promised),
    tags: store.tags,
    policy: config.eviction,
    shares: { limits: () => config.store.shares, inventory: keepLastOf(store.ofUpstreams, promised) },
    pinned: remote ? async () => (await store.pins.content()).union(remote.waiting()) : store.pins.content,
    partials: { sweep: sweepPartials, evict: (bytes) => store.evictPartials(bytes) },
    isNearlyExhausted: (name) => upstreams.byName.get(name)?.isNearlyExhausted ?? false,
    isOut: (name) =>
      isUnreachable(upstreams.byName.get(name)?.status) || config.current.upstreams[name]?.offline === true,
    telemetry: telemetry.store,
    evicting: observed.evictions.evicting,
    now,
  })
  const tier = quotaStore(store.blobs, evicting, telemetry.ingest)
  const blobs = remote?.behind(tier) ?? tier
  const downloads = starting.use(
    new DownloadManager({
      store: blobs,
      policy: config.transfers,
      queues: (upstream) => ({
        ...config.current.transfers,
        places: config.current.upstreams[upstream]?.maxTransfers ?? LAST_TRANSFERS,
      }),
      telemetry: telemetry.transfers,
      failed: observed.transferFailed,
      ...(tracing && { started: tracing.download }),
      now: () => performance.now(),
    }),
  )
  const converter = starting.use(buildConverter({ store, blobs, downloads, uploads: remote?.uploads, log }))
  const sharing =
    cluster &&
    remote &&
    clusterSharing({
      parts: cluster,
      remote: remote.blobs,
      uploads: remote.uploads,
      tier,
      knows: opened.links.knows,
      downloads: () => downloads,
    })
  const purging = cluster?.purging(store.catalogue)
  if (cluster) listenToReplicas({ cluster, store, sharing, scarcity, purging, upstreams })
  const known = new Set([...upstreams.byName.keys(), ...(await disk.upstreams())])
  const resources = starting.move()
  return {
    now,
    observed,
    disk,
    store: purging ? { ...store, catalogue: purging.catalogue } : store,
    blobs,
    upstreams,
    evictor: {
      ...evicting,
      async sweep() {
        await evicting.sweep()
        await remote?.sweep()
        await cluster?.sweep().catch(observed.storeFailed)
      },
    },
    sharing,
    scarcity,
    transfers: () => [...downloads.list(), ...v1.transfers()],
    bucket: remote?.report,
    downloads,
    converter,
    webhooks,
    tracing,
    upstreamNames: () => upstreamNames([...known, ...Object.values(config.current.upstreams)]),
    servedSince: () => servedSince(config.current, disk, observed.storeFailed),
    configure() {
      const before = upstreams.byName
      upstreams.configure(config.current, (upstream) => downloads.settled(upstream))
      const isKept = (name: string) => before.get(name) === upstreams.byName.get(name)
      observed.upstreams.configure(watchedUpstreams(config.current.upstreams, isKept))
      for (const name of upstreams.byName.keys()) known.add(name)
      webhooks.configure(config.current)
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}
