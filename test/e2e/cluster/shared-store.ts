import assert from 'node:assert/strict'
import { keptTags } from '../../../src/cluster/index/kept-tags.ts'
import { openOutbox } from '../../../src/cluster/index/outbox.ts'
import { replicatedLinks } from '../../../src/cluster/index/replicated-links.ts'
import { replicatedLists } from '../../../src/cluster/index/replicated-lists.ts'
import { replicatedOwners } from '../../../src/cluster/index/replicated-owners.ts'
import { replicatedRuns } from '../../../src/cluster/index/replicated-runs.ts'
import { replicatedTags } from '../../../src/cluster/index/replicated-tags.ts'
import { sharedLinks } from '../../../src/cluster/index/shared-links.ts'
import { sharedLists } from '../../../src/cluster/index/shared-lists.ts'
import { sharedOwners } from '../../../src/cluster/index/shared-owners.ts'
import { sharedRuns } from '../../../src/cluster/index/shared-runs.ts'
import { sharedTags } from '../../../src/cluster/index/shared-tags.ts'
import { tellShared } from '../../../src/cluster/index/tell-shared.ts'
import { openNews } from '../../../src/cluster/news.ts'
import type { EndpointOwners } from '../../../src/ports/endpoint-owners.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import type { ImagePattern } from '../../../src/oci/image-pattern.ts'
import type { PinList } from '../../../src/ports/operations.ts'
import type { RemoteBlobs } from '../../../src/ports/remote-blobs.ts'
import type { Retention, Runs, TrustedDigests } from '../../../src/ports/time.ts'
import { type FilesystemStoreOptions } from '../../../src/storage/filesystem-store.ts'
import { type OpenStore, type StoreFolder, storeFolder } from '../../storage/setup.ts'
import type { StoreUnderTest } from '../../storage/suites/store-under-test.ts'
import { tieredStore } from '../../storage/tiered-store.ts'
import { databaseOf } from './database.ts'
import type { Postgres } from './postgres.ts'

export interface SharedStore extends StoreUnderTest {
  readonly pins: PinList
  readonly trusted: TrustedDigests
  readonly runs: Runs
  readonly endpointOwners: EndpointOwners
  /** Learns now what the others have told. */
  poll(): Promise<void>
}

export interface SharedStoreOptions {
  readonly now: () => number
  readonly keep?: () => number
  readonly pinned?: readonly ImagePattern[]
  readonly retained?: readonly Retention[]
  /** Left out: there is no bucket, and deleting is what the sweeper of one does. */
  readonly remote?: RemoteBlobs
  /** Left out: a folder of its own. */
  readonly folder?: StoreFolder
  /** The database that the folder has joined. */
  readonly joined?: { identity?: string }
}

const NO_FILE = { readAll: async () => [], append: async () => {}, replace: async () => {} }

/** The store of one replica, with the index that all share behind its own. */
export async function sharedStore(
  server: Pick<Postgres, 'url'>,
  { now, keep = () => 1e9, pinned = [], retained = [], remote, folder, joined = {} }: SharedStoreOptions,
): Promise<SharedStore> {
  await using starting = new AsyncDisposableStack()
  const options: Partial<FilesystemStoreOptions> = {
    now,
    keepRuns: keep,
    pinned,
    retained: () => retained,
  }
  const store =
    remote === undefined
      ? await storeIn(starting, folder, options)
      : starting.use(await tieredStore(remote, options, folder))
  const real = starting.use(databaseOf(server, now))
  // The clocks of the suites are made up, and the same on each replica.
  const same = (instant: number): number => instant
  const database = Object.assign(real, { toShared: same, fromShared: same })
  const id = `${Math.random()}`
  const failed = (error: unknown): void => assert.fail(String(error))
  const links = sharedLinks(database)
  const tags = sharedTags(database)
  const outbox = starting.use(await openOutbox(NO_FILE, tellShared(links, tags), failed))
  const replicated = replicatedTags({
    local: store.tags,
    shared: tags,
    outbox,
    mayTrim: async () => true,
    kept: () => keptTags({ pins: store.pins, retained, now: now() }),
    now,
  })
  const lists = replicatedLists({
    local: store,
    shared: sharedLists(database, id),
    joined: {
      read: async () => joined.identity,
      write: async (identity) => void (joined.identity = identity),
    },
    changed() {},
    now,
  })
  const runs = sharedRuns({ database, id, keep, forgotten: store.runs.forget, now })
  const news = starting.use(
    openNews({
      database: starting.use(databaseOf(server)),
      id,
      failed,
      heard: { read: async () => undefined, async write() {} },
      listener: {
        tagChanged: replicated.apply,
        async noticed(notice) {
          if (notice.kind === 'lists') await lists.synchronise()
          if (notice.kind === 'runs forgotten') await store.runs.forget(...notice.runs)
        },
        began: lists.synchronise,
        lost() {},
        returned() {},
      },
    }),
  )
  const { blobs } = store
  const resources = starting.move()
  return {
    ...store,
    blobs: {
      ...blobs,
      // As the sweeper of the bucket does.
      async delete(...digests: readonly Digest[]) {
        await blobs.delete(...digests)
        await links.removeAll(digests)
      },
    },
    links: replicatedLinks(store.links, links, outbox),
    tags: replicated,
    pins: lists.pins,
    trusted: lists.trusted,
    runs: replicatedRuns(store.runs, runs),
    endpointOwners: replicatedOwners(store.endpointOwners, sharedOwners(database, now)),
    poll: news.poll,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

async function storeIn(
  starting: AsyncDisposableStack,
  folder: StoreFolder | undefined,
  options: Partial<FilesystemStoreOptions>,
): Promise<OpenStore> {
  return starting.use(await (folder ?? starting.use(await storeFolder())).open(options))
}

/** Forgets everything but which database it is. */
export function emptyDatabase(server: Pick<Postgres, 'sql'>): void {
  if (server.sql("SELECT to_regclass('entrepot_endpoint_owners')").trim() === '') return
  server.sql(`TRUNCATE entrepot_links, entrepot_tags, entrepot_tag_log, entrepot_leases, entrepot_news,
    entrepot_pins, entrepot_trusted, entrepot_runs, entrepot_run_tags, entrepot_run_manifests, entrepot_jobs_done,
    entrepot_endpoint_owners`)
}
