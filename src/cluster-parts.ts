import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { Database } from './cluster/database.ts'
import { type Leases, leases as openLeases } from './cluster/leases.ts'
import { type News, type NewsListener, openNews } from './cluster/news.ts'
import { REMOVE_OLD } from './cluster/news-rows.ts'
import type { Notice } from './cluster/notice.ts'
import { purgesHeard } from './cluster/purges-heard.ts'
import { openOutbox } from './cluster/index/outbox.ts'
import { refill as openRefill } from './cluster/index/refill.ts'
import { keptTags } from './cluster/index/kept-tags.ts'
import { peerTokens } from './cluster/peers/peer-token.ts'
import { type Peers, peers as openPeers } from './cluster/peers/peers.ts'
import { JOINED_FILE, joinedIn } from './cluster/index/joined.ts'
import { replicatedLists } from './cluster/index/replicated-lists.ts'
import { replicatedOwners } from './cluster/index/replicated-owners.ts'
import { replicatedRuns } from './cluster/index/replicated-runs.ts'
import { sharedLists } from './cluster/index/shared-lists.ts'
import { sharedOwners } from './cluster/index/shared-owners.ts'
import { sharedRuns } from './cluster/index/shared-runs.ts'
import { sharedJobs } from './cluster/shared-jobs.ts'
import { sharedOutages } from './cluster/shared-outages.ts'
import { purgeForAll, type PurgeForAll } from './cluster/index/purge-for-all.ts'
import { replicatedLinks } from './cluster/index/replicated-links.ts'
import { type ReplicatedTags, replicatedTags } from './cluster/index/replicated-tags.ts'
import { type SharedLinks, sharedLinks } from './cluster/index/shared-links.ts'
import { replicas } from './cluster/replicas.ts'
import { toldOnce } from './cluster/told-once.ts'
import { sharedTags } from './cluster/index/shared-tags.ts'
import { tellShared } from './cluster/index/tell-shared.ts'
import type { StoreSettings } from './compose/store/open-store.ts'
import type { Config } from './config/load-config.ts'
import type { ImageCatalogue } from './ports/operations.ts'
import type { ClusterReport } from './ports/insight/insight.ts'
import type { HappenedEvent } from './ports/insight/events.ts'
import type { LinkIndex } from './ports/metadata.ts'
import type { Neighbours, Outage, SharedJobs } from './ports/cluster.ts'
import type { ClusterTelemetry } from './ports/telemetry.ts'
import { realFiles } from './storage/files.ts'
import type { FilesystemStore } from './storage/filesystem-store.ts'
import { lineFile } from './storage/line-file.ts'
import type { Forgotten } from './storage/operations/purge.ts'
import { version } from './util/version.ts'

/** What this replica shares with the others by the database. */
export interface ClusterParts extends AsyncDisposable {
  /** What the store knows, and behind it what all replicas know. */
  readonly index: {
    readonly links: LinkIndex
    readonly tags: ReplicatedTags
    readonly pins: FilesystemStore['pins']
    readonly trusted: FilesystemStore['trusted']
    readonly runs: FilesystemStore['runs']
    readonly endpointOwners: FilesystemStore['endpointOwners']
  }
  readonly shared: SharedLinks
  readonly leases: Leases
  readonly peers: Peers
  /** Whether a token is of a replica, and for this one. */
  isPeer(token: string, upstream: string, digest: string): boolean
  readonly jobs: SharedJobs
  readonly neighbours: Neighbours
  /** Passes on events, of those that all replicas find the first one's only. */
  toldOnce(tell: (event: HappenedEvent) => void): (event: HappenedEvent) => void
  /** Tells the others. Before `listen` there is nothing to tell. */
  tell(notice: Notice): void
  /** Begins to learn what the others change. */
  listen(listener: ClusterListener): void
  forget(forgotten: Forgotten): Promise<void>
  /** The catalogue, whose purges are of all replicas. */
  purging(catalogue: ImageCatalogue): PurgeForAll
  report(): Promise<ClusterReport>
  /** Removes what is of no use to anybody any more. */
  sweep(): Promise<void>
  /** Whether this replica, and no other, does what only one is to do. */
  leads(task: string): Promise<boolean>
}

/** What the others tell, by who has to know it here. */
export interface ClusterListener extends Pick<NewsListener, 'tagChanged'> {
  absent(key: string, duration: number): void
  scarce(upstream: string, duration: number): void
  purged(pattern: string): Promise<void>
  outage(outage: Outage): void
  /** Another digest may be trusted. */
  trustChanged(): void
}

export interface ClusterPartsOptions {
  readonly disk: FilesystemStore
  readonly log: Logger
  readonly telemetry: ClusterTelemetry
  readonly failed: (error: unknown) => void
  /** Read each time: they may change. */
  readonly settings: Pick<StoreSettings, 'keepRuns' | 'retained'>
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** @returns undefined without `cluster` */
export async function buildClusterParts(
  { storage: { root, index }, cluster }: Config,
  { disk, log, telemetry, failed, settings, now }: ClusterPartsOptions,
): Promise<ClusterParts | undefined> {
  if (cluster === undefined || index === undefined) return undefined
  await using starting = new AsyncDisposableStack()
  const id = randomUUID()
  const postgres = new URL(index.postgres).host
  const database = starting.use(
    new Database({
      url: index.postgres,
      password: index.password,
      asked: telemetry.asked,
      restored: () => log.warn({ postgres }, 'the shared index had lost tables: they are made again'),
      now,
    }),
  )
  const tokens = peerTokens({ secret: cluster.secret, now: () => database.toShared(now()) })
  const links = sharedLinks(database)
  const tags = sharedTags(database)
  const file = lineFile(realFiles(), join(root, 'outbox.jsonl'))
  const outbox = starting.use(await openOutbox(file, tellShared(links, tags), failed))
  const leases = starting.use(openLeases({ database, id, address: cluster.advertise }))
  const peers = starting.use(openPeers(tokens))
  const all = starting.use(
    replicas({
      database,
      address: cluster.advertise,
      version: version(),
      counted: (count) => telemetry.replicas(cluster.advertise, count),
    }),
  )
  const leads = (task: string): Promise<boolean> => leases.keep(`lead ${task}`)
  const replicated = replicatedTags({
    local: disk.tags,
    shared: tags,
    outbox,
    mayTrim: () => leads('trim'),
    kept: () => keptTags({ pins: disk.pins, retained: settings.retained, now: now() }),
    now,
  })
  const joined = joinedIn(lineFile(realFiles(), join(root, JOINED_FILE)), failed)
  const lists = replicatedLists({
    local: disk,
    shared: sharedLists(database, id),
    joined,
    changed: () => listener?.trustChanged(),
    now,
  })
  const runs = sharedRuns({ database, id, keep: () => settings.keepRuns, forgotten: disk.runs.forget, now })
  const owners = sharedOwners(database, now)
  const jobs = sharedJobs({ leases, database })
  const refill = starting.use(
    openRefill({
      joined,
      known: { ...disk.offload, past: disk.tags.past },
      shared: { links, tags },
      jobs,
      told: (count) => log.info({ postgres, count }, 'the shared index was told what this store knows'),
      failed,
    }),
  )
  let listener: ClusterListener | undefined
  let news: News | undefined
  const tellAll = (notice: Notice): void => news?.tell(notice)
  const tellPurge = async (pattern: string) => news?.publish({ kind: 'purged', pattern })
  const resources = starting.move()
  return {
    index: {
      links: replicatedLinks(disk.links, links, outbox),
      tags: replicated,
      pins: { ...disk.pins, ...lists.pins },
      trusted: { ...disk.trusted, ...lists.trusted },
      runs: { ...disk.runs, ...replicatedRuns(disk.runs, runs) },
      endpointOwners: replicatedOwners(disk.endpointOwners, owners),
    },
    shared: links,
    leases,
    jobs,
    neighbours: sharedOutages(leases, (outage) => tellAll({ kind: 'outage', ...outage })),
    toldOnce: (tell) => toldOnce(leases, tell, (err) => log.error({ err }, 'telling an event once failed')),
    peers,
    isPeer: (token, upstream, digest) =>
      tokens.isRight(token, { address: cluster.advertise, upstream, digest }),
    leads,
    report: async () => ({
      address: cluster.advertise,
      news: news?.mode ?? 'polling',
      untold: outbox.waiting,
      ...(await all.report()),
    }),
    tell: tellAll,
    listen(to) {
      listener = to
      news = openNews({
        database,
        id,
        failed,
        heard: purgesHeard(lineFile(realFiles(), join(root, 'purges-heard')), failed),
        listener: {
          tagChanged: to.tagChanged,
          noticed: (notice) => noticed(notice, to),
          async began() {
            await lists.synchronise()
            await all.tell()
            refill.begin()
          },
          lost: () => log.warn({ postgres, ...database.trouble }, 'the shared index does not answer'),
          returned: () => log.info({ postgres, waiting: outbox.waiting }, 'the shared index answers again'),
        },
      })
      resources.use(news)
    },
    purging: (catalogue) => purgeForAll({ catalogue, database, tags, tell: tellPurge }),
    async sweep() {
      if (!(await leads('trim'))) return
      await runs.trim()
      await owners.trim()
      await database.query(REMOVE_OLD)
    },
    async forget(forgotten) {
      await links.remove(forgotten.links)
      await tags.purge(forgotten.tags)
      await owners.forget(forgotten.tags)
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }

  async function noticed(notice: Notice, to: ClusterListener): Promise<void> {
    switch (notice.kind) {
      case 'absent':
        return to.absent(notice.key, notice.duration)
      case 'scarce':
        return to.scarce(notice.upstream, notice.duration)
      case 'purged':
        return to.purged(notice.pattern)
      case 'lists':
        return lists.synchronise()
      case 'runs forgotten':
        return disk.runs.forget(...notice.runs)
      case 'outage':
        return to.outage(notice)
      default:
        // A later version tells more.
        notice satisfies never
    }
  }
}
