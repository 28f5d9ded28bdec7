/** Replicas in one process: real downloads and shared sources; the database, the network and S3 are made up. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Claim, Leases } from '../../src/cluster/leases.ts'
import type { Peers } from '../../src/cluster/peers/peers.ts'
import { sharedSource } from '../../src/cluster/peers/shared-source.ts'
import type { Source } from '../../src/download/download-request.ts'
import { DownloadManager } from '../../src/download/manager.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { isRegistryError, RegistryError } from '../../src/oci/errors.ts'
import { type BlobReader, isInMemory } from '../../src/ports/blob-store.ts'
import type { RemoteBlobs } from '../../src/ports/remote-blobs.ts'
import type { BlobBody } from '../../src/ports/upstream.ts'
import { readerOf } from '../s3/remote-blobs-suite.ts'
import type { Blob } from '../support/fixtures.ts'
import { memoryStore } from '../support/memory-store.ts'
import { readFrom } from '../support/rig.ts'

const EXPIRY = 60
const PIECE = 8_000

interface Row {
  /** A process. */
  readonly holder: object
  /** The replica that it is. */
  readonly address: number
  readonly detail: string
  expiresAt: number
}

export interface World {
  /** The one blob that upstream has. */
  readonly blob: Blob
  readonly leases: Map<string, Row>
  /** What is in S3. */
  readonly objects: Map<string, Buffer>
  /** How often something was stored there. */
  puts: number
  upstreamBytes: number
  isDatabaseAway: boolean
  isRemoteAway: boolean
  /** Bodies of upstream break off after so many bytes, each once. */
  readonly breaks: number[]
  /** Replicas that reach no other one, and that none reaches. */
  readonly partitioned: Set<number>
  /** Replicas that send others a wrong byte. */
  readonly lying: Set<number>
}

export function worldOf(blob: Blob): World {
  return {
    blob,
    leases: new Map(),
    objects: new Map(),
    puts: 0,
    upstreamBytes: 0,
    isDatabaseAway: false,
    isRemoteAway: false,
    breaks: [],
    partitioned: new Set(),
    lying: new Set(),
  }
}

export interface ModelReplica {
  readonly isDead: boolean
  /** @returns the bytes that a client gets @throws what the client sees */
  pull(repository: string): Promise<Buffer | undefined>
  /** As `kill -9`: its leases stay until they expire. */
  die(): void
  /** Whether it has a lease. */
  holds(): boolean
  /** Has it no more in its own store. */
  evict(): Promise<void>
  follow: DownloadManager['follow']
  open(): Promise<BlobReader | undefined>
  close(): Promise<void>
}

const unavailable = (): RegistryError => new RegistryError('UPSTREAM_UNAVAILABLE', { reason: 'gone' })

export function modelReplica(world: World, id: number, others: () => readonly ModelReplica[]): ModelReplica {
  const { blob } = world
  const store = memoryStore()
  let isDead = false
  const self = {}
  const held = new Set<string>()
  const renewing = setInterval(() => {
    if (isDead || world.isDatabaseAway) return
    for (const key of held) {
      const row = world.leases.get(key)
      if (row?.holder === self) row.expiresAt = performance.now() + EXPIRY
    }
  }, EXPIRY / 4)

  const leases: Pick<Leases, 'claim' | 'release'> = {
    async claim(key, detail = ''): Promise<Claim | undefined> {
      await sleep(1)
      if (world.isDatabaseAway || isDead) return undefined
      const row = world.leases.get(key)
      if (row !== undefined && row.address !== id && row.expiresAt > performance.now())
        return { address: String(row.address), detail: row.detail }
      world.leases.set(key, { holder: self, address: id, detail, expiresAt: performance.now() + EXPIRY })
      held.add(key)
      return 'own'
    },
    async release(key) {
      held.delete(key)
      if (world.leases.get(key)?.holder === self && !world.isDatabaseAway && !isDead) world.leases.delete(key)
    },
  }

  const peers: Pick<Peers, 'open'> = {
    async open(address, { upstream, digest, size }, range, signal) {
      const peer = others()[Number(address)]!
      const { partitioned, lying } = world
      const isCut = () => peer.isDead || partitioned.has(id) || partitioned.has(Number(address))
      if (isCut()) throw unavailable()
      const reader = (await peer.follow(upstream, digest, { size, signal })) ?? (await peer.open())
      const body = reader && bodyOf(reader, range?.start ?? 0, range?.end, isCut, signal)
      return body && lying.has(Number(address)) ? withWrongByte(body) : body
    },
  }

  const remote: RemoteBlobs = {
    async stat(digest) {
      if (world.isRemoteAway) throw unavailable()
      const bytes = world.objects.get(digest)
      return bytes && { mediaType: 'application/octet-stream', digest, size: bytes.length }
    },
    async open(digest, range) {
      if (world.isRemoteAway) throw unavailable()
      const bytes = world.objects.get(digest)
      return (
        bytes && bodyOf(readerOf(bytes, blob.digest), range?.start ?? 0, range?.end, () => world.isRemoteAway)
      )
    },
    locate: (digest) => Promise.resolve(`s3:${digest}`),
    async put(reader) {
      if (world.isRemoteAway || isDead) throw unavailable()
      const bytes = await readFrom(reader, 0, reader.descriptor.size)
      assert.equal(digestOf(bytes), reader.descriptor.digest, 'what is committed is what its digest says')
      world.puts += 1
      world.objects.set(reader.descriptor.digest, bytes)
    },
    async touch() {},
    async delete() {},
    async *list() {},
  }

  const upstream: Source = {
    async open(range) {
      await sleep(1)
      const breakAt = world.breaks.shift()
      let sent = 0
      const body = bodyOf(readerOf(blob.bytes, blob.digest), range?.start ?? 0, range?.end, () => {
        if (isDead || (breakAt !== undefined && sent >= breakAt)) return true
        return false
      })
      return {
        ...body,
        async *[Symbol.asyncIterator]() {
          for await (const chunk of body) {
            sent += chunk.length
            world.upstreamBytes += chunk.length
            yield chunk
          }
        },
      }
    },
  }

  const downloads = new DownloadManager({
    store: store.blobs,
    policy: { connections: 2, segmentAbove: 1e9, finishFrom: 0.25, finishBelow: 1e9, retryDelay: 5 },
    queues: () => ({ places: 16, queueLength: 100, queueTimeout: 5_000 }),
    telemetry: { running() {}, waiting() {}, resumed() {} },
    failed() {},
    now: () => performance.now(),
  })

  async function uploaded(): Promise<void> {
    const reader = await store.blobs.open(blob.digest)
    if (reader !== undefined) await remote.put(reader).catch(ignoreOutage)
  }

  return {
    get isDead() {
      return isDead
    },
    follow: (...args) => downloads.follow(...args),
    open: () => Promise.resolve(store.blobs.open(blob.digest)),
    async pull(repository) {
      const stored = await store.blobs.open(blob.digest)
      if (stored !== undefined) return readFrom(stored, 0, blob.bytes.length)
      const download = {
        repository: { upstream: 'up', name: repository },
        digest: blob.digest,
        mayRead: async () => true,
        mayReadStored: async () => true,
      }
      const source = sharedSource(
        {
          leases,
          peers: { ...peers, async [Symbol.asyncDispose]() {} },
          remote,
          uploaded,
          now: () => performance.now(),
        },
        download,
        upstream,
      )
      const opened = await downloads.subscribe({
        ...download,
        expectedSize: blob.bytes.length,
        source,
        verified: async () => {},
      })
      if (opened === undefined || isInMemory(opened)) return opened?.bytes
      await using reader = opened
      return await readFrom(reader, 0, blob.bytes.length)
    },
    die() {
      isDead = true
    },
    // What could not be released while the database was away expires.
    holds: () =>
      [...world.leases.values()].some(
        ({ holder, expiresAt }) => holder === self && expiresAt > performance.now(),
      ),
    evict: () => store.blobs.delete(blob.digest),
    async close() {
      clearInterval(renewing)
      await downloads[Symbol.asyncDispose]()
    },
  }
}

function withWrongByte(body: BlobBody): BlobBody {
  return {
    ...body,
    async *[Symbol.asyncIterator]() {
      for await (const chunk of body) {
        const wrong = Buffer.from(chunk)
        wrong[0]! ^= 1
        yield wrong
      }
    },
  }
}

function ignoreOutage(error: unknown): void {
  if (!isRegistryError(error)) throw error
}

function bodyOf(
  reader: BlobReader,
  start: number,
  end: number | undefined,
  isBroken: () => boolean,
  signal?: AbortSignal,
): BlobBody {
  const { size } = reader.descriptor
  return {
    start,
    total: size,
    ranges: true,
    async *[Symbol.asyncIterator]() {
      try {
        for (let position = start; position < Math.min(end ?? size, size);) {
          await sleep(1)
          signal?.throwIfAborted()
          if (isBroken()) throw unavailable()
          const buffer = Buffer.alloc(Math.min(PIECE, (end ?? size) - position))
          const count = await reader.read(buffer, position).catch(() => Promise.reject(unavailable()))
          if (count === 0) return
          position += count
          yield buffer.subarray(0, count)
        }
      } finally {
        await reader[Symbol.asyncDispose]()
      }
    },
  }
}
