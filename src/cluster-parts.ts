import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { Database } from './cluster/database.ts'
import { type Leases, leases as openLeases } from './cluster/leases.ts'
import { type News, type NewsListener, openNews, type PurgesHeard } from './cluster/news.ts'
import { type Message, openOutbox } from './cluster/index/outbox.ts'
import { type PeerSecret, peerSecret } from './cluster/peers/peer-secret.ts'
import { type Peers, peers as openPeers } from './cluster/peers/peers.ts'
import { purgeForAll, type PurgeForAll } from './cluster/index/purge-for-all.ts'
import { replicatedLinks } from './cluster/index/replicated-links.ts'
import { type ReplicatedTags, replicatedTags } from './cluster/index/replicated-tags.ts'
import { type SharedLinks, sharedLinks } from './cluster/index/shared-links.ts'
import { sharedTags } from './cluster/index/shared-tags.ts'
import type { Config } from './config/load-config.ts'
import type { ImageCatalogue } from './ports/operations.ts'
import type { LinkIndex } from './ports/metadata.ts'
import type { ClusterTelemetry } from './ports/telemetry.ts'
import { realFiles } from './storage/files.ts'
import type { FilesystemStore } from './storage/filesystem-store.ts'
import { type LineFile, lineFile } from './storage/line-file.ts'
import type { Forgotten } from './storage/operations/purge.ts'

/** What this replica shares with the others by the database. */
export interface ClusterParts extends AsyncDisposable {
  readonly links: LinkIndex
  readonly tags: ReplicatedTags
  readonly shared: SharedLinks
  readonly leases: Leases
  readonly peers: Peers
  readonly secret: PeerSecret
  /** Begins to learn what the others change. */
  listen(listener: Omit<NewsListener, 'returned'>): News
  forget(forgotten: Forgotten): Promise<void>
  /** The catalogue, whose purges are of all replicas. */
  purging(catalogue: ImageCatalogue, tell: (pattern: string) => void): PurgeForAll
  /** Removes what is of no use to anybody any more. */
  sweep(): Promise<void>
  /** Whether this replica, and no other, does what only one is to do. */
  leads(task: string): Promise<boolean>
}

export interface ClusterPartsOptions {
  readonly disk: FilesystemStore
  readonly log: Logger
  readonly telemetry: ClusterTelemetry
  readonly failed: (error: unknown) => void
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** @returns undefined without `cluster` */
export async function buildClusterParts(
  { storage: { root, index }, cluster }: Config,
  { disk, log, telemetry, failed, now }: ClusterPartsOptions,
): Promise<ClusterParts | undefined> {
  if (cluster === undefined || index === undefined) return undefined
  await using starting = new AsyncDisposableStack()
  const id = randomUUID()
  const database = starting.use(
    new Database({ url: index.postgres, password: index.password, asked: telemetry.asked, now }),
  )
  const secret = peerSecret(cluster.secret)
  const links = sharedLinks(database)
  const tags = sharedTags(database)
  const tell = async (message: Message): Promise<void> => {
    const { repository } = message
    if (message.kind === 'link') await links.add(repository, message.digest, message.mediaType)
    else if (message.kind === 'tag') await tags.set(repository, message.tag, message.entry)
    else await tags.remove(repository, message.tag, message.at)
  }
  const file = lineFile(realFiles(), join(root, 'outbox.jsonl'))
  const outbox = starting.use(await openOutbox(file, tell, failed))
  const leases = starting.use(openLeases({ database, id, address: cluster.advertise }))
  const peers = starting.use(openPeers(secret))
  const leads = (task: string): Promise<boolean> => leases.keep(`lead ${task}`)
  const replicated = replicatedTags({
    local: disk.tags,
    shared: tags,
    outbox,
    mayTrim: () => leads('trim'),
    now,
  })
  const resources = starting.move()
  return {
    links: replicatedLinks(disk.links, links, outbox),
    tags: replicated,
    shared: links,
    leases,
    peers,
    secret,
    leads,
    listen(listener) {
      const news = openNews({
        database,
        id,
        failed,
        heard: purgesHeard(lineFile(realFiles(), join(root, 'purges-heard')), failed),
        listener: {
          ...listener,
          returned() {
            const { waiting } = outbox
            log.info({ postgres: hostOf(index.postgres), waiting }, 'the shared index answers again')
          },
        },
      })
      resources.use(news)
      return news
    },
    purging: (catalogue, tell) => purgeForAll({ catalogue, database, tags, tell }),
    async sweep() {
      if (!(await leads('trim'))) return
      await database.query(
        `WITH old AS (DELETE FROM entrepot_news WHERE at < clock_timestamp() - interval '3 hours')
         DELETE FROM entrepot_leases WHERE expires_at < clock_timestamp() - interval '1 hour'`,
      )
    },
    async forget(forgotten) {
      await links.remove(forgotten.links)
      await tags.purge(forgotten.tags)
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/** One line: until when. What cannot be kept is at worst heard again. */
function purgesHeard(file: LineFile, failed: (error: unknown) => void): PurgesHeard {
  return {
    async read() {
      const at = Number((await file.readAll()).at(-1) ?? Number.NaN)
      return Number.isNaN(at) ? undefined : at
    },
    write: (at) => file.replace([String(at)]).catch(failed),
  }
}

function hostOf(url: string): string {
  return new URL(url).host
}
