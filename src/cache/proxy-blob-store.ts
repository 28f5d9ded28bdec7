import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { type BlobProvider, type BlobStore, isInMemory, type OpenedBlob } from '../ports/blob-store.ts'
import type { Cluster } from '../ports/cluster.ts'
import type { Asking, ReadOptions } from '../ports/read-options.ts'
import type { UpstreamRepository } from '../ports/upstream.ts'
import type { DownloadRequest, Source } from '../download/download-request.ts'
import type { DownloadManager } from '../download/manager.ts'
import { type Maybe, whenKnown } from '../util/async/maybe.ts'
import { singleFlight } from '../util/async/single-flight.ts'
import type { BlobSizes } from './blob-sizes.ts'
import { failoverReader } from './failover-reader.ts'
import { blobKey } from './keys.ts'
import type { NegativeCache } from './negative.ts'
import { proveByBytes } from './proof-by-bytes.ts'
import type { ReadPermission } from './read-permission.ts'

export interface ProxyBlobStoreOptions {
  readonly local: BlobStore
  readonly downloads: DownloadManager
  readonly sizes: BlobSizes
  readonly absent: NegativeCache
  readonly asking: Asking
  /** The other replicas, where there are any. */
  readonly cluster?: Pick<Cluster, 'share'> | undefined
}

/**
 * A repository's blobs: from the local store where the repository may read them (`read-permission.ts`), else
 * from upstream into the store.
 */
export function proxyBlobStore(
  options: ProxyBlobStoreOptions,
): (repository: RepositoryName, upstream: UpstreamRepository, permission: ReadPermission) => BlobProvider {
  const { local, downloads, sizes, absent, asking, cluster } = options
  const proofs = singleFlight<boolean>()

  return (repository, upstream, permission) => {
    return {
      stat(digest, options) {
        return whenKnown(
          readable(digest, () => whenKnown(local.stat(digest), (stored) => stored ?? committing(digest))),
          (stored) => {
            if (stored === undefined) return prove(digest, options)
            options?.report?.({ result: 'hit' })
            return withoutType(stored)
          },
        )
      },

      open(digest, options) {
        return whenKnown(
          readable(digest, () => local.open(digest, options)),
          (stored) => {
            if (stored === undefined) return openElsewhere(digest, options)
            options?.report?.({ result: 'hit' })
            if (isInMemory(stored)) return stored
            return failoverReader(stored, () => download(digest, options))
          },
        )
      },
    }

    /** What will be stored in a moment: some upstreams tell no size, so that they cannot be asked for it. */
    function committing(digest: Digest): Descriptor | undefined {
      const size = downloads.verifiedSize(repository.upstream, digest)
      return size === undefined ? undefined : { mediaType: OCTET_STREAM, digest, size }
    }

    /** What the store has of a blob that this repository may read. A store that fails has nothing. */
    function readable<T>(digest: Digest, read: () => Maybe<T>): Maybe<T> {
      return whenKnown(permission.isGranted(digest), (isGranted) => {
        const stored = isGranted ? read() : undefined
        return stored instanceof Promise ? stored.catch(ignoreStorage) : stored
      })
    }

    /**
     * Asks upstream for no more than the right to read, where it has sent the bytes before and they are
     * stored.
     */
    async function openElsewhere(digest: Digest, options?: ReadOptions): Promise<OpenedBlob | undefined> {
      // Most of what is asked for here is not stored, which one question shows.
      if (!(await isStored(digest))) return download(digest, options)
      if (await permission.isProvable(digest)) {
        if ((await permission.prove(digest, options)) === undefined) return undefined
        const proved = await readable(digest, () => local.open(digest, options))
        if (proved !== undefined) return proved
      }
      if (await permission.isOfUnknownOrigin(digest)) {
        const proved = await provedByBytes(digest, options)
        if (proved !== undefined) return proved
      }
      return download(digest, options)
    }

    /**
     * The stored blob, once upstream has shown that it has its bytes; undefined when it is to be downloaded.
     */
    async function provedByBytes(digest: Digest, options?: ReadOptions): Promise<OpenedBlob | undefined> {
      const key = blobKey(repository, digest)
      const prove = async (): Promise<boolean> => {
        const stored = await Promise.resolve(local.open(digest)).catch(ignoreStorage)
        if (stored === undefined) return false
        try {
          return (await proveByBytes(stored, (range) => upstream.blob(digest, range))) === true
        } catch (error) {
          // The download meets the same trouble, and knows what to do about it.
          if (isRegistryError(error)) return false
          throw error
        } finally {
          if (!isInMemory(stored)) await stored[Symbol.asyncDispose]()
        }
      }
      const { value, joined } = await asking(options, () => proofs.run(key, prove, options?.signal))
      if (!value) return undefined
      await permission.grant(digest)
      options?.report?.({ result: joined ? 'collapsed' : 'miss', forwardStatus: 200, stored: false })
      return readable(digest, () => local.open(digest, options))
    }

    async function prove(digest: Digest, options?: ReadOptions): Promise<Descriptor | undefined> {
      const found = await permission.prove(digest, options)
      return found && withoutType(found)
    }

    async function download(digest: Digest, options?: ReadOptions): Promise<OpenedBlob | undefined> {
      const key = blobKey(repository, digest)
      if (absent.has(key)) {
        options?.report?.({ result: 'negative' })
        return undefined
      }
      const own: Source = { open: (range, signal) => upstream.blob(digest, range, signal) }
      const request = requestFor(digest, own, options)
      // It is for one reader, who leaves no lease behind.
      const bypass = () => asking(options, () => downloads.bypass({ ...request, source: own }, options))
      try {
        const blob = await asking(options, () => downloads.subscribe(request, options))
        if (blob !== undefined) return isInMemory(blob) ? blob : failoverReader(blob, bypass)
        absent.add(key)
        options?.report?.({ result: 'miss', forwardStatus: 404 })
        return undefined
      } catch (error) {
        if (isRegistryError(error, 'STORAGE')) return bypass()
        throw error
      }
    }

    function requestFor(digest: Digest, own: Source, options?: ReadOptions): DownloadRequest {
      const mayRead = async () =>
        (await permission.isGranted(digest)) || (await permission.prove(digest)) !== undefined
      const mayReadStored = async () =>
        (await permission.isGranted(digest)) || ((await permission.isProvable(digest)) && (await mayRead()))
      const expectedSize = sizes.of(repository, digest)
      return {
        repository,
        digest,
        client: options?.client,
        mayRead,
        expectedSize,
        promiseAfter: upstream.promisesBlobsAfter,
        source: cluster?.share({ repository, digest, expectedSize, mayRead, mayReadStored }, own) ?? own,
        verified: () => permission.grant(digest),
      }
    }
  }

  async function isStored(digest: Digest): Promise<boolean> {
    return (await Promise.resolve(local.stat(digest)).catch(ignoreStorage)) !== undefined
  }
}

/** Blobs have no type of their own: it is the manifest that types them. */
function withoutType({ digest, size }: Descriptor): Descriptor {
  return { mediaType: OCTET_STREAM, digest, size }
}

function ignoreStorage(error: unknown): undefined {
  if (isRegistryError(error, 'STORAGE')) return undefined
  throw error
}
