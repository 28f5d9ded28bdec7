/** The real parts from a fake upstream to a store, as `entrepot.ts` puts them together, without HTTP in front. */
import assert from 'node:assert/strict'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import type { ReadOptions } from '../../src/ports/read-options.ts'
import type { Repository } from '../../src/ports/repository.ts'
import { type BlobReader, type BlobStore, isInMemory } from '../../src/ports/blob-store.ts'
import type { EvictionPolicy } from '../../src/eviction/eviction-policy.ts'
import { type Evictor, evictor, type PartialRemover } from '../../src/eviction/evictor.ts'
import { type MemoryCached, memoryCache } from '../../src/cache/memory/memory.ts'
import { proxyRegistry } from '../../src/cache/proxy-registry.ts'
import { quotaStore } from '../../src/eviction/quota-store.ts'
import { DownloadManager } from '../../src/download/manager.ts'
import type { DownloadPolicy } from '../../src/download/download-policy.ts'
import { type MemoryStore, memoryStore } from './memory-store.ts'
import { upstreamClient } from '../../src/upstream/client.ts'

const MiB = 1024 * 1024

export interface RigOptions {
  readonly upstream: { readonly url: string }
  readonly policy?: Partial<DownloadPolicy>
  readonly queues?: ConstructorParameters<typeof DownloadManager>[0]['queues']
  readonly timeouts?: { connect?: number; headers?: number; idle?: number }
  /** In memory without. */
  readonly store?: MemoryStore
  /** Without: all the room there is. */
  readonly quota?: Partial<EvictionPolicy>
  /** Milliseconds that a download waits for room that others have reserved. */
  readonly roomTimeout?: number
  readonly evicted?: (reason: string) => void
  readonly isOut?: (upstream: string) => boolean
  readonly partials?: PartialRemover
  readonly negative?: number
  /** Small content, links and tags in memory too. */
  readonly hot?: boolean
}

export interface Rig extends AsyncDisposable {
  repository(name?: string): Repository
  readonly downloads: DownloadManager
  readonly store: MemoryStore
  /** Of `store`, as the proxy sees it. */
  readonly content: BlobStore
  readonly evictor: Evictor
  /** What eviction leaves. */
  readonly pinned: Set<Digest>
  /** What downloads failed with. */
  readonly failures: unknown[]
  resumes: number
  /** Epoch milliseconds that freshness is judged by. */
  now: number
}

export async function rig(options: RigOptions): Promise<Rig> {
  const store = options.store ?? memoryStore()
  const silent = { answered() {}, denied() {}, received() {}, rateLimit() {}, credentials() {}, circuit() {} }
  const upstream = upstreamClient({
    name: 'fake',
    url: options.upstream.url,
    timeouts: { connect: 1_000, headers: 1_000, idle: 300, ...options.timeouts },
    telemetry: silent,
  })
  const failures: unknown[] = []
  const pinned = new Set<Digest>()
  const seen = options.hot === true ? inMemory(store) : store
  const content = seen.blobs
  const evicting = evictor({
    store: content,
    inventory: store.inventory,
    tags: seen.tags,
    policy: { ttl: 7 * 86_400_000, ttlFrom: 'use', maxSize: Infinity, minFree: 0, ...options.quota },
    pinned: async () => pinned,
    isNearlyExhausted: () => false,
    isOut: options.isOut ?? (() => false),
    partials: options.partials ?? { sweep: async () => {}, evict: async () => 0 },
    telemetry: { evicted: options.evicted ?? (() => {}) },
    ...(options.roomTimeout !== undefined && { roomTimeout: options.roomTimeout }),
    now: () => built.now,
  })
  const blobs = quotaStore(content, evicting, { failed() {}, stored() {} })
  const downloads = new DownloadManager({
    store: blobs,
    policy: {
      connections: 4,
      segmentAbove: 32 * MiB,
      finishFrom: 0.25,
      finishBelow: 64 * MiB,
      retryDelay: 20,
      ...options.policy,
    },
    queues: options.queues ?? (() => ({ places: 16, queueLength: 1000, queueTimeout: 5_000 })),
    telemetry: { running() {}, waiting() {}, resumed: () => void (built.resumes += 1) },
    failed: (_view, error) => failures.push(error),
    now: () => performance.now(),
  })
  const registry = proxyRegistry({
    route: ({ name }) => ({ upstream: 'fake', name }),
    upstreams: new Map([['fake', upstream]]),
    store: { ...seen, blobs },
    downloads,
    freshness: { rules: [{ match: /.*/, fresh: 60_000 }], staleIfError: 3_600_000 },
    negative: options.negative ?? 0,
    lists: 60_000,
    storeFailed: (error) => failures.push(error),
    now: () => built.now,
  })
  const built: Rig = {
    repository: (name = 'library/app') => registry.find({ name })!,
    downloads,
    store,
    content,
    evictor: evicting,
    pinned,
    failures,
    resumes: 0,
    now: Date.now(),
    async [Symbol.asyncDispose]() {
      await downloads[Symbol.asyncDispose]()
      await upstream.close()
    },
  }
  return built
}

function inMemory(store: MemoryStore): MemoryCached<MemoryStore & { discard: BlobStore['delete'] }> {
  return memoryCache({ ...store, discard: store.blobs.delete })
}

export interface ReadRequest extends ReadOptions {
  readonly start?: number
  readonly end?: number
  readonly piece?: number
  /** Waited for before each piece but the first. */
  readonly pause?: () => Promise<unknown>
}

/** Reads from `start` to `end` as the HTTP side does; undefined when there is no such blob. */
export async function readBlob(
  repository: Repository,
  digest: Digest,
  { start = 0, end, piece = 65_536, pause, ...options }: ReadRequest = {},
): Promise<Buffer | undefined> {
  const opened = await repository.blobs.open(digest, options)
  if (opened === undefined) return undefined
  if (isInMemory(opened)) return opened.bytes.subarray(start, end)
  await using reader = opened
  return await readFrom(reader, start, end ?? reader.descriptor.size, piece, pause)
}

/** Opens a blob that is there and is not in memory. */
export async function openReader(
  repository: Repository,
  digest: Digest,
  options?: ReadOptions,
): Promise<BlobReader> {
  const opened = await repository.blobs.open(digest, options)
  assert.ok(opened !== undefined && !isInMemory(opened))
  return opened
}

export async function readFrom(
  reader: BlobReader,
  start: number,
  end: number,
  piece = 65_536,
  pause?: () => Promise<unknown>,
): Promise<Buffer> {
  const pieces: Buffer[] = []
  for (let position = start; position < end;) {
    if (position > start) await pause?.()
    const buffer = Buffer.alloc(Math.min(piece, end - position))
    const count = await reader.read(buffer, position)
    if (count === 0) break
    pieces.push(buffer.subarray(0, count))
    position += count
  }
  return Buffer.concat(pieces)
}

/** The digest of what a client got; what it is compared with says more than a buffer. */
export async function digestRead(...args: Parameters<typeof readBlob>): Promise<Digest | undefined> {
  const body = await readBlob(...args)
  return body && digestOf(body, args[1])
}
