import type { DownloadRequest } from '../download/download-request.ts'
import type { DownloadManager } from '../download/manager.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { isRegistryError, RegistryError } from '../oci/errors.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'
import {
  type BlobIngest,
  type BlobReader,
  type BlobStore,
  isInMemory,
  type OpenedBlob,
  type WrappedReader,
} from '../ports/blob-store.ts'
import type { ReadOptions } from '../ports/read-options.ts'
import type { RemoteBlobs } from '../ports/remote-blobs.ts'
import { type Maybe, whenKnown } from '../util/async/maybe.ts'
import { singleFlight } from '../util/async/single-flight.ts'

export interface TieredBlobStoreOptions {
  /** This replica's own store. */
  readonly tier: BlobStore
  readonly remote: RemoteBlobs
  /** Brings blobs from `remote` into `tier`, verified, while they are read. */
  readonly fills: DownloadManager
  /** A blob was committed to the tier, and is not in `remote` yet. */
  readonly committed: (descriptor: Descriptor) => void
  /** These are about to be deleted from both. Settles when nothing brings them back. */
  readonly deleting: (digests: readonly Digest[]) => Promise<void>
  /** The bytes that `remote` has of this one do not match it. */
  readonly damaged: (digest: Digest) => Promise<void>
  /** `remote` could not be asked; what it has counts as missing. */
  readonly remoteFailed: (error: RegistryError) => void
  /** A reader goes to `remote` for this one, which is a use of it. */
  readonly redirected: (descriptor: Descriptor) => void
}

/** Manifests are shorter (`upstream/body/limits.ts`). They are read whole: what they are needs their type. */
const LONGEST_MANIFEST = 4 * 1024 * 1024

/**
 * A store with a tier in front of it: the tier answers; what it does not have is read from the remote store,
 * and kept in the tier. Commits go to the tier, and from there to the remote store. What fails remotely is a
 * miss, so that the caller asks upstream instead.
 */
export function tieredBlobStore(options: TieredBlobStoreOptions): BlobStore {
  const { tier, remote, fills, committed, deleting, damaged, remoteFailed, redirected } = options
  // Many clients ask for the same blob at once.
  const stats = singleFlight<Descriptor | undefined>()

  return {
    stat(digest, options) {
      return whenKnown(tier.stat(digest, options), (found) => found ?? orMissing(statRemote(digest)))
    },
    open(digest, options) {
      return options?.mayRedirect === true ? openElsewhere(digest, options) : openHere(digest, options)
    },
    ingest: async (expected) => reportingIngest(await tier.ingest(expected), committed),
    async delete(...digests) {
      await deleting(digests)
      await tier.delete(...digests)
      await orMissing(remote.delete(...digests))
    },
  }

  function openHere(digest: Digest, options?: ReadOptions): Maybe<OpenedBlob> {
    return whenKnown(tier.open(digest, options), (found) => found ?? openRemote(digest, options))
  }

  /** Where the remote store has a blob, for a reader that goes there; the blob itself where it does not. */
  async function openElsewhere(digest: Digest, options: ReadOptions): Promise<OpenedBlob | undefined> {
    const found = await orMissing(statRemote(digest))
    // Manifests are served here, under the type that their upstream gives them.
    if (found?.mediaType !== OCTET_STREAM) return openHere(digest, options)
    const location = await orMissing(remote.locate(digest))
    if (location === undefined) return openHere(digest, options)
    redirected(found)
    return { descriptor: found, location, read: refuseToRead, async [Symbol.asyncDispose]() {} }
  }

  async function openRemote(digest: Digest, options: ReadOptions = {}): Promise<OpenedBlob | undefined> {
    const descriptor = await orMissing(statRemote(digest))
    if (descriptor === undefined) return undefined
    if (descriptor.mediaType !== OCTET_STREAM) return orMissing(takeIn(descriptor, options))
    const request = requestFor(descriptor)
    // Who reads is told by the caller: for it, this is a hit.
    const { signal, client } = options
    const reading: ReadOptions = { ...(signal && { signal }), ...(client !== undefined && { client }) }
    try {
      const opened = await fills.subscribe(request, reading)
      return opened === undefined || isInMemory(opened) ? opened : storageReader(opened)
    } catch (error) {
      if (!isRegistryError(error, 'STORAGE')) return missing(error)
      const opened = await orMissing(fills.bypass(request, reading))
      return opened && storageReader(opened)
    }
  }

  async function statRemote(digest: Digest): Promise<Descriptor | undefined> {
    return (await stats.run(digest, () => remote.stat(digest))).value
  }

  /** Reads a manifest whole and stores it in the tier, under the type that it is known by. */
  async function takeIn(descriptor: Descriptor, options: ReadOptions): Promise<OpenedBlob | undefined> {
    const { digest, size } = descriptor
    if (size > LONGEST_MANIFEST) return undefined
    const body = await remote.open(digest, undefined)
    if (body === undefined) return undefined
    await using ingest = await tier.ingest(descriptor)
    let position = 0
    for await (const chunk of body) {
      await ingest.write(chunk, position)
      position += chunk.length
    }
    try {
      await ingest.verify(position)
    } catch (error) {
      if (isRegistryError(error, 'UPSTREAM_INVALID')) await damaged(digest)
      throw error
    }
    await ingest.commit()
    return tier.open(digest, options)
  }

  function requestFor({ digest, size }: Descriptor): DownloadRequest {
    return {
      repository: { upstream: 's3', name: 's3' },
      digest,
      mayRead: async () => true,
      expectedSize: size,
      source: { open: (range, signal) => remote.open(digest, range, signal) },
      verified: async () => {},
    }
  }

  async function orMissing<T>(answer: Promise<T>): Promise<T | undefined> {
    return answer.catch(missing)
  }

  function missing(error: unknown): undefined {
    if (!isRegistryError(error)) throw error
    remoteFailed(error)
    return undefined
  }
}

async function refuseToRead(): Promise<never> {
  throw new RegistryError('STORAGE', { operation: 'read', reason: 'the content is elsewhere' })
}

/** For its reader, a remote store that fails is the store that fails: it goes on from upstream. */
function storageReader(reader: BlobReader): BlobReader {
  return {
    descriptor: reader.descriptor,
    isPromised: reader.isPromised,
    get sharing() {
      return reader.sharing
    },
    file: reader.file,
    location: reader.location,
    // Where `read` would fail, it lends nothing.
    lend: reader.lend && ((position) => reader.lend!(position)),
    read: (buffer, position) => reader.read(buffer, position).catch(toStorage),
    reread: reader.reread && ((buffer, position) => reader.reread!(buffer, position).catch(toStorage)),
    [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
  } satisfies WrappedReader
}

function toStorage(error: unknown): never {
  if (!isRegistryError(error) || error.code === 'STORAGE') throw error
  const { operation, reason, status } = error.detail
  throw new RegistryError('STORAGE', { operation, reason, status }, { cause: error })
}

function reportingIngest(ingest: BlobIngest, committed: (descriptor: Descriptor) => void): BlobIngest {
  return {
    filled: ingest.filled,
    write: (chunk, position, size) => ingest.write(chunk, position, size),
    read: (buffer, position) => ingest.read(buffer, position),
    verify: (size) => ingest.verify(size),
    async commit() {
      const descriptor = await ingest.commit()
      committed(descriptor)
      return descriptor
    },
    keep: () => ingest.keep(),
    [Symbol.asyncDispose]: () => ingest[Symbol.asyncDispose](),
  }
}
