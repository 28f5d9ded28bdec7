import type { Content, Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { LinkIndex } from '../ports/metadata.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { BlobProvider, BlobReader, BlobStore } from '../ports/blob-store.ts'
import type { ReadOptions } from '../ports/read-options.ts'
import type { Recalling } from '../ports/repository.ts'
import type { UpstreamRepository } from '../ports/upstream.ts'
import type { BlobSizes } from './blob-sizes.ts'
import { contentKey } from './keys.ts'
import type { Memory } from './recalled.ts'
import type { NegativeCache } from './negative.ts'
import { singleFlight } from '../util/single-flight.ts'
import { survivingReader } from './failover-reader.ts'
import type { DownloadManager } from '../download/manager.ts'
import type { DownloadRequest } from '../download/download-request.ts'

export interface ProxyBlobStoreOptions {
  readonly local: BlobStore
  readonly memory?: Memory
  readonly links: LinkIndex
  readonly transfers: DownloadManager
  readonly sizes: BlobSizes
  readonly absent: NegativeCache
}

/**
 * A repository's blobs: from the local store if this repository was seen to contain them, else from upstream into the store.
 * Bytes are shared by digest, the right to read them is not: a repository has to prove once, upstream, that it contains what
 * another one brought in. An upstream that has sent the bytes once is believed when it says so of another repository; one that
 * never did has to send them, or whoever controls it and knows a digest could read what others keep private.
 */
export function proxyBlobStore(
  options: ProxyBlobStoreOptions,
): (repository: RepositoryName, upstream: UpstreamRepository) => BlobProvider & Recalling<Digest, Content> {
  const { local, memory, links, transfers, sizes, absent } = options
  const proofs = singleFlight<Descriptor | undefined>()

  return (repository, upstream) => {
    return {
      recall(digest, report) {
        if (!memory?.isLinked(repository, digest)) return undefined
        const content = memory.content(digest)
        if (content !== undefined) report({ result: 'hit' })
        return content && { descriptor: blob(content.descriptor), bytes: content.bytes }
      },

      async stat(digest, options) {
        const stored = await storedHere(digest, () => local.stat(digest))
        if (stored !== undefined) {
          options?.report?.({ result: 'hit' })
          return blob(stored)
        }
        return prove(digest, options)
      },

      async open(digest, options) {
        const stored = await storedHere(digest, () => local.open(digest, options))
        if (stored !== undefined) {
          options?.report?.({ result: 'hit' })
          return survivingReader(stored, () => download(digest, options), 'first byte')
        }
        if (await isProvable(digest)) {
          if ((await prove(digest, options)) === undefined) return undefined
          const proved = await storedHere(digest, () => local.open(digest, options))
          if (proved !== undefined) return proved
        }
        return download(digest, options)
      },
    }

    /** What the store has of it, provided that this repository may read it. A store that fails has nothing. */
    async function storedHere<T extends Descriptor | BlobReader>(
      digest: Digest,
      read: () => Promise<T | undefined>,
    ): Promise<T | undefined> {
      if (!(await links.has(repository, digest))) return undefined
      return read().catch(ignoreStorage)
    }

    /** The store has it, and it came from this upstream. */
    async function isProvable(digest: Digest): Promise<boolean> {
      return (
        (await links.knows(repository.upstream, digest)) &&
        (await local.stat(digest).catch(ignoreStorage)) !== undefined
      )
    }

    /** Asks upstream whether this repository contains the blob. */
    async function prove(digest: Digest, options?: ReadOptions): Promise<Descriptor | undefined> {
      const key = contentKey(repository, `blob ${digest}`)
      if (absent.has(key)) {
        options?.report?.({ result: 'negative' })
        return undefined
      }
      const { value, joined } = await proofs.run(key, () => upstream.statBlob(digest), options?.signal)
      if (value === undefined) absent.add(key)
      else if (await links.knows(repository.upstream, digest)) await links.add(repository, digest)
      options?.report?.({
        result: joined ? 'collapsed' : 'miss',
        forwardStatus: value === undefined ? 404 : 200,
      })
      return value && blob(value)
    }

    async function download(digest: Digest, options?: ReadOptions): Promise<BlobReader | undefined> {
      const key = contentKey(repository, `blob ${digest}`)
      if (absent.has(key)) {
        options?.report?.({ result: 'negative' })
        return undefined
      }
      const request = requestFor(digest)
      const bypass = () => transfers.bypass(request, options)
      try {
        const reader = await transfers.subscribe(request, options)
        if (reader !== undefined) return survivingReader(reader, bypass, 'end')
        absent.add(key)
        options?.report?.({ result: 'miss', forwardStatus: 404 })
        return undefined
      } catch (error) {
        if (isRegistryError(error, 'STORAGE')) return bypass()
        throw error
      }
    }

    function requestFor(digest: Digest): DownloadRequest {
      return {
        repository,
        digest,
        mayRead: async () => (await links.has(repository, digest)) || (await prove(digest)) !== undefined,
        expectedSize: sizes.of(repository, digest),
        source: { open: (range, signal) => upstream.blob(digest, range, signal) },
        verified: () => links.add(repository, digest),
      }
    }
  }
}

/** Blobs have no type of their own: what a manifest calls them is the manifest's business. */
function blob({ digest, size }: Descriptor): Descriptor {
  return { mediaType: OCTET_STREAM, digest, size }
}

function ignoreStorage(error: unknown): undefined {
  if (isRegistryError(error, 'STORAGE')) return undefined
  throw error
}
