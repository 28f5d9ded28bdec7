import { LRUCache } from 'lru-cache'
import type { Descriptor, Manifest } from '../oci/descriptor.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { LinkIndex, ReferenceIndex } from '../ports/metadata.ts'
import { OCTET_STREAM } from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { BlobReader, BlobStore } from '../ports/blob-store.ts'
import type { ManifestProvider } from '../ports/repository.ts'
import type { UpstreamRepository } from '../ports/upstream.ts'
import type { BlobSizes } from './blob-sizes.ts'
import { contentKey } from './keys.ts'
import { referencesIn } from '../oci/manifest.ts'
import type { Memory } from './recalled.ts'
import type { NegativeCache } from './negative.ts'
import { singleFlight } from '../util/single-flight.ts'

export interface ProxyManifestStoreOptions {
  readonly local: BlobStore
  readonly memory?: Memory
  readonly links: LinkIndex
  readonly references: ReferenceIndex
  readonly sizes: BlobSizes
  readonly absent: NegativeCache
  /** Told when a manifest could be served but not stored. */
  readonly storeFailed: (error: unknown) => void
}

/** Manifests whose references are known to be recorded, so that serving one costs no question. */
const REMEMBERED = 50_000

/** A repository's manifests, which can also be handed one that was fetched on another way. */
export interface ManifestCache extends ManifestProvider {
  /** @returns it under the media type that its bytes have here. */
  put(manifest: Manifest): Promise<Manifest>
}

/** Digests are immutable: what is here is never revalidated, only proved once to belong to the repository that asks. */
export function proxyManifestStore(
  options: ProxyManifestStoreOptions,
): (repository: RepositoryName, upstream: UpstreamRepository) => ManifestCache {
  const { local, memory, links, references, sizes, absent } = options
  const recorded = new LRUCache<Digest, true>({ max: REMEMBERED })
  const fetches = singleFlight<Manifest | undefined>()

  return (repository, upstream) => {
    return {
      recall(digest, report) {
        if (!memory?.isLinked(repository, digest) || !recorded.has(digest)) return undefined
        const content = memory.content(digest)
        if (content === undefined || content.descriptor.mediaType === OCTET_STREAM) return undefined
        report({ result: 'hit' })
        return { descriptor: content.descriptor, body: content.bytes }
      },

      async get(digest, options) {
        const key = contentKey(repository, `manifest ${digest}`)
        const stored = (await links.has(repository, digest)) ? await load(digest) : undefined
        if (stored !== undefined) {
          options?.report?.({ result: 'hit' })
          return stored
        }
        if (absent.has(key)) {
          options?.report?.({ result: 'negative' })
          return undefined
        }
        const { value, joined } = await fetches.run(key, () => fetch(digest, key), options?.signal)
        options?.report?.({
          result: joined ? 'collapsed' : 'miss',
          forwardStatus: value === undefined ? 404 : 200,
          stored: value !== undefined && isAddressable(value),
        })
        return value
      },
      put,
    }

    async function load(digest: Digest): Promise<Manifest | undefined> {
      try {
        await using reader = await local.open(digest)
        if (reader === undefined || reader.descriptor.mediaType === OCTET_STREAM) return undefined
        const body = reader.whole ?? (await readAll(reader))
        if (reader.whole !== undefined || digestOf(body, digest) === digest) {
          const manifest = { descriptor: reader.descriptor, body }
          sizes.learn(repository, manifest)
          if (!recorded.has(digest)) await record(manifest)
          return manifest
        }
        await local.delete(digest)
      } catch (error) {
        if (!isRegistryError(error, 'STORAGE')) throw error
      }
      return undefined
    }

    async function fetch(digest: Digest, key: string): Promise<Manifest | undefined> {
      const manifest = await upstream.manifest(digest)
      if (manifest !== undefined) return put(manifest)
      absent.add(key)
      return undefined
    }

    async function put(manifest: Manifest): Promise<Manifest> {
      sizes.learn(repository, manifest)
      if (!isAddressable(manifest)) return manifest
      try {
        const descriptor = await store(local, manifest)
        await record(manifest)
        await links.add(repository, descriptor.digest)
        return { ...manifest, descriptor }
      } catch (error) {
        if (!isRegistryError(error, 'STORAGE')) throw error
        options.storeFailed(error)
        return manifest
      }
    }
  }

  async function record({ descriptor: { digest }, body }: Manifest): Promise<void> {
    await references.record(digest, referencesIn(body).digests)
    recorded.set(digest, true)
  }
}

/** Signed schema 1 manifests are named by the digest of their payload, not of their bytes: they pass through, unstored. */
function isAddressable({ descriptor, body }: Manifest): boolean {
  return digestOf(body, descriptor.digest) === descriptor.digest
}

async function store(local: BlobStore, { descriptor, body }: Manifest): Promise<Descriptor> {
  await using ingest = await local.ingest(descriptor)
  await ingest.write(body, 0)
  await ingest.verify(body.length)
  return await ingest.commit()
}

async function readAll(reader: BlobReader): Promise<Buffer> {
  const body = Buffer.alloc(reader.descriptor.size)
  let position = 0
  while (position < body.length) {
    const count = await reader.read(body.subarray(position), position)
    if (count === 0) break
    position += count
  }
  return body.subarray(0, position)
}
