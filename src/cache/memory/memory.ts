import type { Digest } from '../../oci/digest.ts'
import type { ImagePattern } from '../../oci/image-pattern.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import { type BlobIngest, type BlobStore, isInMemory, type OpenedBlob } from '../../ports/blob-store.ts'
import type {
  ContentInventory,
  LinkIndex,
  ReferenceIndex,
  TagIndex,
  TagUses,
  UpstreamInventory,
} from '../../ports/metadata.ts'
import type { ImageCatalogue, PurgeScope } from '../../ports/operations.ts'
import type { ReadOptions } from '../../ports/read-options.ts'
import { repositoryKey } from '../keys.ts'
import { type Facts, NOTHING, sizeOfFacts, withMediaType, withRepository } from './memory-facts.ts'
import { tagMemory } from './tag-memory.ts'
import { perObject } from '../../util/per-object.ts'
import { readContent } from './read-content.ts'
import { ReadThrough } from './read-through.ts'

export interface MemoryCacheOptions {
  /** Bytes of content, links and recorded references in memory; a quarter as many are spent on tags. */
  readonly maxBytes?: number
  /** Milliseconds that an entry is used without asking the store again. */
  readonly maxAge?: number
  /** Monotonic milliseconds. */
  readonly now?: () => number
}

interface CachedParts {
  readonly blobs: BlobStore
  readonly links: LinkIndex
  readonly references: ReferenceIndex
  readonly tags: TagIndex
}

interface UncachedStore extends CachedParts {
  readonly tags: TagIndex & TagUses
  readonly inventory: Pick<ContentInventory, 'use'>
  /** Removes damaged content. */
  discard(digest: Digest): Promise<void>
  readonly catalogue?: Pick<ImageCatalogue, 'purge'>
  readonly ofUpstreams?: UpstreamInventory
}

/** The same store, with parts of it in memory. */
export type MemoryCached<S extends UncachedStore> = Omit<S, keyof CachedParts> &
  CachedParts & {
    /** Its entry was changed in the store, past this memory. */
    forgetTag(repository: RepositoryName, tag: string): void
  }

/** Bytes. Most manifests and configs are shorter. A layer is better read from the disk. */
const LARGEST_CONTENT = 64 * 1024
const MAX_BYTES = 32 * 1024 * 1024
const MAX_AGE = 5 * 60_000

/**
 * A store with a part of it in memory. This file and `tag-memory.ts` know all of that part:
 *
 * - content of at most 64 KiB. It is hashed when it is read; damaged content is discarded, and a miss.
 * - links, which say that a repository may read a digest. "No" is not kept, as a link may be added at any
 *   time.
 * - whether the references of a manifest are recorded.
 * - tags.
 *
 * A warm answer needs these four, and comes from memory in the same tick. Opening, reading and closing a file
 * takes several times as long as the rest of answering a manifest.
 *
 * **Bounds**: `maxBytes` together, the least recently used goes first; `maxAge` each.
 *
 * **Invalidation**: every change passes through here on its way to the store. Deleting or discarding a digest
 * (eviction deletes), taking it from an upstream and committing it anew forget all facts about it. A purge
 * forgets everything. A read that such a change
 * overtakes is answered, and not kept. Damaged content that the scrub discards may still be served: the copy
 * in memory is intact.
 *
 * Other files keep answers of upstream in memory: `lists.ts`, `negative.ts`, `blob-sizes.ts`.
 */
export function memoryCache<S extends UncachedStore>(
  store: S,
  { maxBytes = MAX_BYTES, maxAge = MAX_AGE, now }: MemoryCacheOptions = {},
): MemoryCached<S> {
  const bounds = { maxAge, ...(now && { now }) }
  const facts = new ReadThrough<Digest, Facts>({ ...bounds, maxBytes, sizeOf: sizeOfFacts })
  const tags = tagMemory(store.tags, { maxBytes: maxBytes / 4, maxAge, now })
  const used = store.inventory.use
  // A repository of the proxy asks under one object: to join and hash its name costs more than to find it.
  const keyOf = perObject(repositoryKey)

  const blobs: BlobStore = {
    stat(digest, options) {
      const content = facts.get(digest)?.content
      if (content === undefined) return store.blobs.stat(digest, options)
      used(digest)
      return content.descriptor
    },
    open(digest, options) {
      const content = facts.get(digest)?.content
      if (content === undefined) return openStored(digest, options)
      used(digest, options?.isByJob !== true)
      return content
    },
    async ingest(expected) {
      return afterCommit(await store.blobs.ingest(expected), () => facts.forget(expected.digest))
    },
    async delete(...digests) {
      forget(digests)
      await store.blobs.delete(...digests).finally(() => forget(digests))
    },
  }

  const discard = (digest: Digest) => store.discard(digest).finally(() => facts.forget(digest))

  /** Small content is read whole, and kept. */
  function openStored(digest: Digest, options?: ReadOptions): Promise<OpenedBlob | undefined> {
    return facts.read(
      digest,
      async () => {
        const opened = await store.blobs.open(digest, options)
        if (opened === undefined || isInMemory(opened)) return opened
        if (opened.descriptor.size > LARGEST_CONTENT) return opened
        const content = await readContent(opened)
        if (content === undefined) await discard(digest)
        return content
      },
      (found) => (found && isInMemory(found) ? { ...known(digest), content: found } : undefined),
    )
  }

  const links: LinkIndex = {
    ...store.links,
    mediaType(repository, digest) {
      const key = keyOf(repository)
      const found = facts.get(digest)?.mediaTypes.get(key)
      if (found !== undefined) return found
      return facts.read(
        digest,
        () => Promise.resolve(store.links.mediaType(repository, digest)),
        (type) => (type === undefined ? undefined : withMediaType(known(digest), key, type)),
      )
    },
    has(repository, digest) {
      const key = keyOf(repository)
      if (facts.get(digest)?.repositories.has(key) === true) return true
      return facts.read(
        digest,
        () => store.links.has(repository, digest),
        (isLinked) => (isLinked ? withRepository(known(digest), key) : undefined),
      )
    },
  }

  const references: ReferenceIndex = {
    has(manifest) {
      if (facts.get(manifest)?.hasReferences === true) return true
      return facts.read(
        manifest,
        () => store.references.has(manifest),
        (isRecorded) => (isRecorded ? { ...known(manifest), hasReferences: true } : undefined),
      )
    },
    record: (manifest, digests) =>
      facts.read(
        manifest,
        () => store.references.record(manifest, digests),
        () => ({ ...known(manifest), hasReferences: true }),
      ),
  }

  const { catalogue, ofUpstreams } = store
  return {
    ...store,
    forgetTag: tags.forget,
    discard,
    blobs,
    links,
    references,
    tags: tags.index,
    ...(ofUpstreams && {
      ofUpstreams: {
        ...ofUpstreams,
        unlink: (upstream: string, ...digests: readonly Digest[]) =>
          ofUpstreams.unlink(upstream, ...digests).finally(() => forget(digests)),
      },
    }),
    ...(catalogue && {
      catalogue: {
        ...catalogue,
        purge: (pattern: ImagePattern, options: PurgeScope) =>
          catalogue.purge(pattern, options).finally(() => {
            if (options.dryRun) return
            facts.forgetAll()
            tags.forgetAll()
          }),
      },
    }),
  }

  function forget(digests: readonly Digest[]): void {
    for (const digest of digests) facts.forget(digest)
  }

  function known(digest: Digest): Facts {
    return facts.get(digest) ?? NOTHING
  }
}

/** Stored anew, content may have another media type. */
function afterCommit(ingest: BlobIngest, committed: () => void): BlobIngest {
  return {
    filled: ingest.filled,
    write: (chunk, position, size) => ingest.write(chunk, position, size),
    read: (buffer, position) => ingest.read(buffer, position),
    verify: (size) => ingest.verify(size),
    commit: () => ingest.commit().finally(committed),
    keep: () => ingest.keep(),
    [Symbol.asyncDispose]: () => ingest[Symbol.asyncDispose](),
  }
}
