import { setTimeout as delay } from 'node:timers/promises'
import type { Digest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { Part } from '../oci/manifest-parts.ts'
import { type BlobReader, isInMemory } from '../ports/blob-store.ts'
import type { CacheStatus } from '../ports/read-options.ts'
import type { Repository } from '../ports/repository.ts'
import { limiter } from '../util/async/limiter.ts'
import { type MissingPart, walkImage, type WalkOptions } from './walk-image.ts'

export interface FetchImageOptions extends WalkOptions {
  /** Whether a blob is in the store, once no download of it runs. */
  readonly isStored: (repository: Repository, digest: Digest) => Promise<boolean>
  /** Blobs at a time. */
  readonly atOnce?: number
  /** A part is known, has come further, or is whole. */
  readonly progress?: (part: PartProgress) => void
}

export interface PartProgress {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly done: number
  /** It was in the store before. */
  readonly wasStored: boolean
}

/** An image after it was fetched. */
export interface FetchedImage {
  readonly digest: Digest
  /** `linux/amd64`, …; empty of an image without an index. */
  readonly platforms: readonly string[]
  readonly manifests: number
  readonly blobs: number
  /** Of manifests and blobs, each counted once. */
  readonly bytes: number
  /** Of those, the bytes that came from upstream now. */
  readonly fetched: number
  readonly missing: readonly MissingPart[]
}

/** The reads of a layer are as long as those for a client. */
const PIECE = 256 * 1024
const AT_ONCE = 3
/** Milliseconds between a refusal by the queue of downloads and the next attempt. */
const AGAIN_AFTER = 1_000
/** Milliseconds for which blobs of an image are refused, together, before one that is refused is given up. */
const PATIENCE = 600_000

/**
 * Brings an image into the store: its manifests, configs and layers. What is stored is not read. What cannot
 * be had is reported, and does not keep the rest from coming. Where the queue of downloads refuses a blob, it
 * comes back, for ten minutes of the whole image: no client is told to retry.
 *
 * @throws the reason of the signal, and what is no RegistryError
 */
export async function fetchImage(
  repository: Repository,
  digest: Digest,
  { isStored, atOnce = AT_ONCE, progress = () => {}, ...walk }: FetchImageOptions,
): Promise<FetchedImage> {
  const missing: MissingPart[] = []
  const platforms = new Set<string>()
  const sizes = new Map<Digest, number>()
  const fetches: Promise<void>[] = []
  const turn = limiter(atOnce)
  const failed = new AbortController()
  const signal = walk.signal ? AbortSignal.any([walk.signal, failed.signal]) : failed.signal
  let manifests = 0
  let blobs = 0
  let fetched = 0
  /** Milliseconds for which at least one blob was refused a place, and until when they are counted. */
  let refusedFor = 0
  let countedUntil = 0

  try {
    for await (const one of walkImage(repository, digest, { ...walk, signal })) {
      if (one.kind === 'missing') {
        missing.push(one)
        continue
      }
      manifests += 1
      sizes.set(one.manifest.descriptor.digest, one.manifest.body.length)
      if (one.platform !== undefined && one.platform !== 'attestation' && !one.isReferrer)
        platforms.add(one.platform)
      for (const part of one.blobs) {
        if (part.isForeign || sizes.has(part.digest)) continue
        sizes.set(part.digest, part.size)
        blobs += 1
        progress({ digest: part.digest, size: part.size, done: 0, wasStored: false })
        const fetching = turn(() => fetch(part, one.platform))
        fetching.catch((error: unknown) => failed.abort(error))
        fetches.push(fetching)
      }
    }
    await Promise.all(fetches)
  } finally {
    await Promise.allSettled(fetches)
  }
  const bytes = sizes.values().reduce((sum, size) => sum + size, 0)
  return { digest, platforms: [...platforms], manifests, blobs, bytes, fetched, missing }

  async function fetch(part: Part, platform: string | undefined): Promise<void> {
    signal.throwIfAborted()
    const lost = { kind: 'missing', what: 'blob', digest: part.digest, platform, size: part.size } as const
    try {
      const read = await readInTurn(part)
      if (read === undefined) {
        missing.push(lost)
        return
      }
      sizes.set(part.digest, read.size)
      if (!read.wasStored) fetched += read.size
      if (read.wasStored || (await isStored(repository, part.digest))) return
      missing.push({ ...lost, isUnstorable: true })
    } catch (error) {
      if (!isRegistryError(error)) throw error
      missing.push({ ...lost, error })
    }
  }

  async function readInTurn(part: Part) {
    for (let since = performance.now(); ;) {
      try {
        return await readBlob(part)
      } catch (error) {
        if (!isRegistryError(error, 'TOOMANYREQUESTS')) throw error
        const now = performance.now()
        // Blobs that wait at the same time count once.
        refusedFor += now - Math.max(since, countedUntil)
        since = countedUntil = now
        if (refusedFor > PATIENCE) throw error
        await delay(AGAIN_AFTER, undefined, { signal }).catch(() => signal.throwIfAborted())
      }
    }
  }

  /** Reads it to the end, as a client does, unless it is stored. */
  async function readBlob({ digest, size: stated }: Part) {
    let status: CacheStatus | undefined
    const client = walk.client === undefined ? {} : { client: walk.client }
    const opened = await repository.blobs.open(digest, {
      ...client,
      signal,
      report: (said) => (status = said),
    })
    if (opened === undefined) return undefined
    const { size } = opened.descriptor
    const wasStored = status?.result === 'hit'
    if (isInMemory(opened)) {
      progress({ digest, size, done: size, wasStored })
      return { size, wasStored }
    }
    await using leaving = new AsyncDisposableStack()
    leaving.use(opened)
    // A read that waits for bytes ends when its reader is disposed.
    const stop = () => void leaving.disposeAsync().catch(() => {})
    signal.addEventListener('abort', stop, { once: true })
    try {
      progress({ digest, size: size || stated, done: wasStored ? size : 0, wasStored })
      if (!wasStored) await readToEnd(opened, (done) => progress({ digest, size, done, wasStored }))
    } catch (error) {
      signal.throwIfAborted()
      throw error
    } finally {
      signal.removeEventListener('abort', stop)
    }
    return { size, wasStored }
  }
}

async function readToEnd(reader: BlobReader, reached: (position: number) => void): Promise<void> {
  const { size } = reader.descriptor
  const buffer = Buffer.allocUnsafe(Math.min(PIECE, size))
  for (let position = 0, count; position < size; position += count) {
    count = await reader.read(buffer, position)
    if (count === 0) return
    reached(position + count)
  }
}
