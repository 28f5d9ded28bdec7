import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import type { Database } from '../../src/cluster/database.ts'
import { digestOf, type Digest } from '../../src/oci/digest.ts'
import { OCI_MANIFEST, OCTET_STREAM } from '../../src/oci/media-types.ts'
import type { RemoteBlobs } from '../../src/ports/remote-blobs.ts'
import type { BlobBody, Upstream, UpstreamRepository } from '../../src/ports/upstream.ts'
import { limiter } from '../../src/util/async/limiter.ts'
import { blobOf, manifestOf } from '../../test/support/fixtures.ts'

/** Milliseconds. */
const UPSTREAM_LATENCY = 30
const S3_LATENCY = 4
/** Pieces of a layer, and milliseconds between two: a layer takes eight seconds. */
const PIECES = 16
const PIECE_EVERY = 500
/** As `cluster/database.ts`. */
const CONNECTIONS = 8

/** One image, the registry that has it, the bucket, and what all of it was asked for. */
export class World {
  readonly layers = Array.from({ length: 10 }, (_, i) => blobOf(PIECES * 1024, i + 1))
  readonly config = Buffer.from('{}')
  readonly manifest = manifestOf(this.layers.map(({ bytes }) => bytes))
  readonly digest = digestOf(this.manifest)
  readonly objects = new Map<Digest, { readonly bytes: Buffer; readonly mediaType: string }>()
  statements = 0
  notifications = 0
  s3Requests = 0
  upstreamRequests = 0
  upstreamBytes = 0
  /** Statements that run or wait for a connection of their replica, now and at most. */
  asking = 0
  mostAsking = 0
  /** Statements in each second. */
  readonly bySecond = new Map<number, number>()
  /** Milliseconds that statements took, with the wait for a connection. */
  seconds = 0

  /** The database of one replica: what it asks is counted, and runs on connections that all replicas share. */
  counted(own: Database, shared: Pick<Pool, 'query'>): Database {
    const places = limiter(CONNECTIONS)
    const query: Database['query'] = (text, values) =>
      places(async () => {
        const begun = performance.now()
        const second = Math.floor(begun / 1000)
        this.bySecond.set(second, (this.bySecond.get(second) ?? 0) + 1)
        this.statements += 1
        if (text.includes('pg_notify')) this.notifications += 1
        this.mostAsking = Math.max(this.mostAsking, ++this.asking)
        try {
          return (await shared.query(text, [...(values ?? [])])).rows
        } finally {
          this.asking -= 1
          this.seconds += (performance.now() - begun) / 1000
        }
      })
    return Object.assign(own, { query })
  }

  readonly upstream: Upstream = {
    name: 'docker.io',
    isNearlyExhausted: false,
    repository: () => this.#repository,
  }

  readonly #repository: UpstreamRepository = {
    isNearlyExhausted: false,
    promisesBlobsAfter: undefined,
    resolve: async () => (await this.#asked(), { digest: this.digest }),
    resolveByGet: async () => (await this.#asked(), { digest: this.digest }),
    manifest: async (digest) => {
      await this.#asked()
      if (digest !== this.digest) return undefined
      const body = this.manifest
      return { descriptor: { mediaType: OCI_MANIFEST, digest, size: body.length }, body }
    },
    statBlob: async (digest) => {
      await this.#asked()
      const bytes = this.#bytesOf(digest)
      return bytes && { mediaType: OCTET_STREAM, digest, size: bytes.length }
    },
    blob: async (digest, range, signal) => {
      await this.#asked()
      const bytes = this.#bytesOf(digest)
      return bytes && this.#body(bytes, range?.start ?? 0, range?.end ?? bytes.length, signal)
    },
    tags: { whole: async () => undefined, page: async () => undefined },
    referrers: async () => {
      throw new Error('not simulated')
    },
  }

  /** The bucket, as each replica sees it. */
  readonly remote: RemoteBlobs = {
    stat: async (digest) => {
      await this.#s3()
      const found = this.objects.get(digest)
      return found && { digest, mediaType: found.mediaType, size: found.bytes.length }
    },
    open: async (digest, range) => {
      await this.#s3()
      const bytes = this.objects.get(digest)?.bytes
      if (bytes === undefined) return undefined
      const part = bytes.subarray(range?.start ?? 0, range?.end)
      const body: BlobBody = {
        start: range?.start ?? 0,
        total: bytes.length,
        ranges: true,
        async *[Symbol.asyncIterator]() {
          yield part
        },
      }
      return body
    },
    locate: (digest) => Promise.resolve(`s3:${digest}`),
    put: async (blob) => {
      await this.#s3()
      const { digest, mediaType, size } = blob.descriptor
      const bytes = Buffer.alloc(size)
      for (let at = 0; at < size;) at += await blob.read(bytes.subarray(at), at)
      this.objects.set(digest, { bytes, mediaType })
    },
    touch: () => this.#s3(),
    delete: () => this.#s3(),
    async *list() {},
  }

  async #asked(): Promise<void> {
    this.upstreamRequests += 1
    await sleep(UPSTREAM_LATENCY)
  }

  async #s3(): Promise<void> {
    this.s3Requests += 1
    await sleep(S3_LATENCY)
  }

  #bytesOf(digest: Digest): Buffer | undefined {
    if (digest === digestOf(this.config)) return this.config
    return this.layers.find((layer) => layer.digest === digest)?.bytes
  }

  #body(bytes: Buffer, start: number, end: number, signal: AbortSignal | undefined): BlobBody {
    const sent = (count: number): void => void (this.upstreamBytes += count)
    const isSmall = bytes.length < 1024
    return {
      start,
      total: bytes.length,
      ranges: true,
      async *[Symbol.asyncIterator]() {
        for (let at = start; at < end; at += 1024) {
          if (!isSmall) await sleep(PIECE_EVERY, undefined, signal && { signal })
          const piece = bytes.subarray(at, Math.min(end, at + 1024))
          sent(piece.length)
          yield piece
        }
      },
    }
  }
}
