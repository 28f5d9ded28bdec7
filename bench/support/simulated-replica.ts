import type { Pool } from 'pg'
import { memoryCache } from '../../src/cache/memory/memory.ts'
import { proxyRegistry } from '../../src/cache/proxy-registry.ts'
import { tieredBlobStore } from '../../src/cache/tiered-blob-store.ts'
import { Database } from '../../src/cluster/database.ts'
import { openOutbox } from '../../src/cluster/index/outbox.ts'
import { replicatedLinks } from '../../src/cluster/index/replicated-links.ts'
import { replicatedTags } from '../../src/cluster/index/replicated-tags.ts'
import { sharedLinks } from '../../src/cluster/index/shared-links.ts'
import { sharedTags } from '../../src/cluster/index/shared-tags.ts'
import { tellShared } from '../../src/cluster/index/tell-shared.ts'
import { leases as openLeases } from '../../src/cluster/leases.ts'
import { openNews } from '../../src/cluster/news.ts'
import { sharedSource } from '../../src/cluster/peers/shared-source.ts'
import { replicas } from '../../src/cluster/replicas.ts'
import { sharedFlight } from '../../src/cluster/shared-flight.ts'
import { DownloadManager } from '../../src/download/manager.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { BlobReader } from '../../src/ports/blob-store.ts'
import { isInMemory } from '../../src/ports/blob-store.ts'
import type { BlobBody } from '../../src/ports/upstream.ts'
import { limiter } from '../../src/util/async/limiter.ts'
import { memoryStore } from '../../test/support/memory-store.ts'
import type { World } from './simulated-world.ts'

export interface SimulatedReplica extends AsyncDisposable {
  readonly downloads: DownloadManager
  readonly isListening: boolean
  /** Pulls the image as a client does: tag, manifest, config, three layers at a time. */
  pull(): Promise<void>
}

export interface SimulatedReplicaOptions {
  readonly world: World
  readonly url: string
  /** On which the statements of all replicas run. */
  readonly shared: Pick<Pool, 'query'>
  readonly index: number
  readonly replicaAt: (address: string) => SimulatedReplica
  readonly failed: (error: unknown) => void
}

const NO_FILE = { readAll: async () => [], append: async () => {}, replace: async () => {} }
const POLICY = { connections: 4, segmentAbove: 32e6, finishFrom: 0.25, finishBelow: 64e6, retryDelay: 400 }
const QUEUES = { places: 64, queueLength: 10_000, queueTimeout: 30_000 }

/** The parts of a replica that matter for what it asks of the others, as `parts.ts` joins them; its store is in memory. */
export async function simulatedReplica(options: SimulatedReplicaOptions): Promise<SimulatedReplica> {
  const { world, url, shared, index, replicaAt, failed } = options
  await using starting = new AsyncDisposableStack()
  const address = `http://replica-${index}`
  const id = `${address} ${Math.random()}`
  const own = new Database({ url, asked() {}, now: Date.now })
  starting.use(own)
  const database = world.counted(own, shared)
  const store = memoryStore()
  const local = {
    ...store.tags,
    peek: async (...of: Parameters<typeof store.tags.get>) => store.tags.get(...of),
    names: async () => [],
  }
  const links = sharedLinks(database)
  const tags = sharedTags(database)
  const outbox = starting.use(await openOutbox(NO_FILE, tellShared(links, tags), failed))
  const leases = starting.use(openLeases({ database, id, address }))
  starting.use(replicas({ database, address, version: '0', counted() {} }))
  const replicated = replicatedTags({
    local: local as unknown as Parameters<typeof replicatedTags>[0]['local'],
    shared: tags,
    outbox,
    mayTrim: async () => false,
    kept: async () => () => true,
    now: Date.now,
  })
  const memory = memoryCache({
    ...store,
    links: replicatedLinks(store.links, links, outbox),
    tags: replicated,
    discard: store.blobs.delete,
  })
  const news = starting.use(
    openNews({
      database,
      id,
      failed,
      heard: { read: async () => undefined, async write() {} },
      listener: {
        async tagChanged(repository, tag, found) {
          await replicated.apply(repository, tag, found)
          memory.forgetTag(repository, tag)
        },
        noticed() {},
        began: async () => {},
        lost() {},
        returned() {},
      },
    }),
  )
  const uploading = new Map<Digest, Promise<void>>()
  const upload = async (digest: Digest): Promise<void> => {
    const reader = await store.blobs.open(digest)
    if (reader !== undefined && (await world.remote.stat(digest)) === undefined)
      await world.remote.put(reader)
  }
  const manager = (of: Pick<typeof store, 'blobs'>['blobs'] | ReturnType<typeof tieredBlobStore>) =>
    starting.use(
      new DownloadManager({
        store: of,
        policy: POLICY,
        queues: () => QUEUES,
        telemetry: { running() {}, waiting() {}, resumed() {} },
        failed: (_, error) => failed(error),
        now: () => performance.now(),
      }),
    )
  const blobs = tieredBlobStore({
    tier: memory.blobs,
    remote: world.remote,
    fills: manager(memory.blobs as typeof store.blobs),
    committed({ digest }) {
      uploading.set(digest, upload(digest))
    },
    deleting: async () => {},
    damaged: async () => {},
    redirected() {},
    remoteFailed: failed,
  })
  const downloads = manager(blobs)
  const settled = async (digest: Digest): Promise<void> => uploading.get(digest)
  const peers = {
    async open(
      at: string,
      { upstream, digest }: { readonly upstream: string; readonly digest: Digest },
      range: { readonly start?: number; readonly end?: number } | undefined,
      signal: AbortSignal,
    ): Promise<BlobBody | undefined> {
      const reader = await replicaAt(at).downloads.follow(upstream, digest, { signal })
      return reader && bodyOf(reader, range?.start ?? 0)
    },
    async [Symbol.asyncDispose]() {},
  }
  const registry = proxyRegistry({
    route: ({ name }) => ({ upstream: 'docker.io', name }),
    upstreams: new Map([['docker.io', world.upstream]]),
    store: { ...memory, blobs },
    downloads,
    cluster: {
      share: (download, upstream) =>
        sharedSource({ leases, peers, remote: world.remote, uploaded: settled, now }, download, upstream),
      once: (...flight) => sharedFlight({ leases, settled, now }, ...flight),
      latestTag: replicated.latest,
      tellAbsent() {},
      onAbsent() {},
    },
    freshness: { rules: [{ match: /.*/, fresh: 3_600_000 }], staleIfError: 3_600_000 },
    negative: 10_000,
    lists: 60_000,
    storeFailed: failed,
    now: Date.now,
  })
  const resources = starting.move()
  return {
    downloads,
    get isListening() {
      return news.mode === 'listening'
    },
    async pull() {
      const repository = registry.find({ name: 'library/app' })!
      const digest = await repository.tags.resolve('latest')
      const manifest = digest && (await repository.manifests.get(digest))
      if (manifest === undefined) throw new Error('there is no image')
      const three = limiter(3)
      const wanted = JSON.parse(manifest.body.toString()) as Record<'config', { digest: Digest }> &
        Record<'layers', { digest: Digest; size: number }[]>
      await Promise.all(
        [{ ...wanted.config, size: 2 }, ...wanted.layers].map(({ digest: blob, size }) =>
          three(async () => {
            const opened = await repository.blobs.open(blob)
            if (opened === undefined) throw new Error(`${blob} is not there`)
            if (isInMemory(opened)) return
            await using reader = opened
            const buffer = Buffer.allocUnsafe(16 * 1024)
            for (let at = 0; at < size;) at += await reader.read(buffer, at)
          }),
        ),
      )
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

function now(): number {
  return performance.now()
}

function bodyOf(reader: BlobReader, start: number): BlobBody {
  const { size } = reader.descriptor
  return {
    start,
    total: size,
    ranges: true,
    isFollowed: true,
    async *[Symbol.asyncIterator]() {
      try {
        for (let at = start; at < size;) {
          const buffer = Buffer.allocUnsafe(16 * 1024)
          const count = await reader.read(buffer, at)
          at += count
          yield buffer.subarray(0, count)
        }
      } finally {
        await reader[Symbol.asyncDispose]()
      }
    },
  }
}
