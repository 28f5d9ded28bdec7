import type { Content, Descriptor, Manifest } from '../oci/descriptor.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import { mayServeStale, isRegistryError } from '../oci/errors.ts'
import { referencesIn } from '../oci/manifest.ts'
import {
  DOCKER_LIST,
  DOCKER_SCHEMA1,
  DOCKER_SCHEMA1_SIGNED,
  OCI_INDEX,
  OCTET_STREAM,
} from '../oci/media-types.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { type BlobReader, type BlobStore, isInMemory } from '../ports/blob-store.ts'
import type { ReferenceIndex } from '../ports/metadata.ts'
import type { Cluster } from '../ports/cluster.ts'
import type { Asking, ReadOptions } from '../ports/read-options.ts'
import type { ManifestProvider } from '../ports/repository.ts'
import type { ImageTelemetry } from '../ports/telemetry.ts'
import type { UpstreamRepository } from '../ports/upstream.ts'
import { type Maybe, whenKnown } from '../util/async/maybe.ts'
import { singleFlight } from '../util/async/single-flight.ts'
import type { BlobSizes } from './blob-sizes.ts'
import { contentKey } from './keys.ts'
import type { NegativeCache } from './negative.ts'
import { longContent } from './memory/long-content.ts'
import type { ReadPermission } from './read-permission.ts'
import { storeManifest } from './store-manifest.ts'

export interface ProxyManifestStoreOptions {
  readonly local: BlobStore
  readonly references: ReferenceIndex
  readonly sizes: BlobSizes
  readonly absent: NegativeCache
  readonly asking: Asking
  /** The other replicas, where there are any. */
  readonly cluster?: Pick<Cluster, 'once'> | undefined
  /** Receives the error when a manifest could be served but not stored. */
  readonly storeFailed: (error: unknown) => void
  readonly telemetry?: Pick<ImageTelemetry, 'stored'> | undefined
}

const INDEXES = new Set([OCI_INDEX, DOCKER_LIST])
const SCHEMA1 = new Set([DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED])

/** A repository's manifests. It also takes in a manifest that was fetched in another way. */
export interface ManifestCache extends ManifestProvider {
  /** @returns the manifest under the media type that its repository has known first */
  put(manifest: Manifest): Promise<Manifest>
}

/**
 * Digests are immutable: a stored manifest is never revalidated, only its repository has to prove once that
 * it contains it.
 */
export function proxyManifestStore(
  options: ProxyManifestStoreOptions,
): (repository: RepositoryName, upstream: UpstreamRepository, permission: ReadPermission) => ManifestCache {
  const { local, references, sizes, absent, asking, cluster } = options
  const fetches = singleFlight<Manifest | undefined>()
  const readLong = longContent()

  return (repository, upstream, permission) => {
    return {
      get(digest, options) {
        return whenKnown(stored(digest, options), (manifest) => {
          if (manifest === undefined) return fetchOnce(digest, options)
          if (manifest.descriptor.mediaType === DOCKER_SCHEMA1) return signedIfWanted(manifest, options)
          options?.report?.({ result: 'hit' })
          return manifest
        })
      },
      put,
    }

    function stored(digest: Digest, options?: ReadOptions): Maybe<Manifest> {
      const isGranted = permission.isGranted(digest)
      if (isGranted instanceof Promise)
        return isGranted.then((it) => (it ? read(digest, options) : undefined))
      return isGranted ? load(digest, options) : undefined
    }

    /** At once when content and references are in memory. */
    function load(digest: Digest, options?: ReadOptions): Maybe<Manifest> {
      const opened = local.open(digest, options)
      if (opened === undefined || opened instanceof Promise || !isInMemory(opened))
        return read(digest, options, opened)
      return isManifest(opened.descriptor) ? whenKnown(typed(opened), recorded) : undefined
    }

    /** A store that fails has no manifest. Neither has one whose bytes are damaged: they are deleted. */
    async function read(
      digest: Digest,
      options?: ReadOptions,
      opening = local.open(digest, options),
    ): Promise<Manifest | undefined> {
      try {
        const opened = await opening
        if (opened === undefined) return undefined
        const content = isInMemory(opened) ? opened : await readManifest(opened, options?.client)
        if (content === 'damaged') {
          await local.delete(digest)
        } else if (content !== undefined && isManifest(content.descriptor)) {
          const manifest = await typed(content)
          sizes.learn(repository, manifest)
          return await recorded(manifest)
        }
      } catch (error) {
        if (!isRegistryError(error, 'STORAGE')) throw error
      }
      return undefined
    }

    /** Bytes are shared by digest. What they are is what this repository's upstream says (SEC-78). */
    function typed(content: Content): Manifest | Promise<Manifest> {
      return whenKnown(permission.mediaType(content.descriptor.digest), (mediaType) =>
        manifestOf(content, isPayload(content, mediaType) ? DOCKER_SCHEMA1 : mediaType),
      )
    }

    /**
     * Of a signed manifest that was converted only the payload is stored, under its digest. Clients that take it
     * get the signatures from upstream, while it can be asked.
     */
    async function signedIfWanted(manifest: Manifest, options?: ReadOptions): Promise<Manifest> {
      const { digest } = manifest.descriptor
      const isSigned = (await permission.mediaType(digest)) === DOCKER_SCHEMA1_SIGNED
      if (isSigned && options?.refusesSchema1 !== true) {
        try {
          const signed = await fetchOnce(digest, options)
          if (signed !== undefined) return signed
        } catch (error) {
          if (!mayServeStale(error)) throw error
        }
      }
      options?.report?.({ result: 'hit' })
      return manifest
    }

    async function fetchOnce(digest: Digest, options?: ReadOptions): Promise<Manifest | undefined> {
      const key = contentKey(repository, `manifest ${digest}`)
      if (options?.noCache !== true && absent.has(key)) {
        options?.report?.({ result: 'negative' })
        return undefined
      }
      const ask = (): Promise<Manifest | undefined> => fetch(digest, key)
      const flight = cluster
        ? () =>
            cluster.once(
              key,
              () => fromOthers(digest),
              ask,
              () => digest,
            )
        : ask
      const { value, joined } = await asking(options, () => fetches.run(key, flight, options?.signal))
      options?.report?.({
        result: joined ? 'collapsed' : 'miss',
        forwardStatus: value === undefined ? 404 : 200,
        stored: value !== undefined && isAddressable(value),
      })
      return value
    }

    /** What another replica has fetched and stored. */
    async function fromOthers(digest: Digest): Promise<Manifest | undefined> {
      return (await permission.isGranted(digest)) ? read(digest) : undefined
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
        const { mediaType } = manifest.descriptor
        const { digest } = await storeManifest(local, manifest, repository.upstream)
        await record(manifest)
        await permission.grant(digest, mediaType)
        const { digests: parts } = referencesIn(manifest)
        options.telemetry?.stored(repository, digest, { parts, isIndex: INDEXES.has(mediaType) })
        return {
          body: manifest.body,
          descriptor: {
            ...manifest.descriptor,
            mediaType: (await permission.mediaType(digest)) ?? mediaType,
          },
        }
      } catch (error) {
        if (!isRegistryError(error, 'STORAGE')) throw error
        options.storeFailed(error)
        return manifest
      }
    }
  }

  /** A layer is not read, however long it is. */
  async function readManifest(reader: BlobReader, client?: string): Promise<Content | 'damaged' | undefined> {
    if (isManifest(reader.descriptor)) return (await readLong(reader, client)) ?? 'damaged'
    await reader[Symbol.asyncDispose]()
    return undefined
  }

  /** Records the references of a manifest that was stored before they were recorded. */
  function recorded(manifest: Manifest): Maybe<Manifest> {
    return whenKnown(references.has(manifest.descriptor.digest), (areRecorded) =>
      areRecorded ? manifest : record(manifest).then(() => manifest),
    )
  }

  async function record(manifest: Manifest): Promise<void> {
    await references.record(manifest.descriptor.digest, referencesIn(manifest).digests)
  }
}

function isPayload({ descriptor }: Content, mediaType: string | undefined): boolean {
  return mediaType === DOCKER_SCHEMA1_SIGNED && descriptor.mediaType === DOCKER_SCHEMA1
}

function manifestOf({ descriptor, bytes }: Content, mediaType = descriptor.mediaType): Manifest {
  const isSame = mediaType === descriptor.mediaType
  return { descriptor: isSame ? descriptor : { ...descriptor, mediaType }, body: bytes }
}

/** A layer has no media type of its own. */
function isManifest({ mediaType }: Descriptor): boolean {
  return mediaType !== OCTET_STREAM
}

/**
 * Signed schema 1 manifests are named by the digest of their payload, not of their bytes. They are passed on,
 * and not stored; their payload is, when they are converted.
 */
function isAddressable({ descriptor, body }: Manifest): boolean {
  if (!SCHEMA1.has(descriptor.mediaType)) return true
  return digestOf(body, descriptor.digest) === descriptor.digest
}
