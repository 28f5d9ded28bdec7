/**
 * What a registry of the first protocol (`/v1/`) needs of the store. Its images and layers have ids that are no
 * digests: what their bytes hash to is known when they are stored.
 */
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { RunningTransfer } from './insight/insight.ts'
import type { BlobStore } from './blob-store.ts'

/** A repository of one endpoint, which alone gives its ids a meaning. */
export interface V1Repository {
  /** The name of the endpoint. */
  readonly endpoint: string
  readonly repository: string
}

/**
 * Content by the id of an image: the layer that it adds, the schema 1 manifest that was made of it, or the
 * version of the layer whose download has begun, which has a digest and no size.
 */
export interface V1Content {
  readonly id: string
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
}

export type V1Kind = 'layer' | 'manifest' | 'begun'

/** Which ids are which digests. Bounded, and forgotten when it was not learnt for long. Never throws. */
export interface V1Index {
  find(of: V1Repository, kind: V1Kind, id: string): Promise<V1Content | undefined>
  findDigest(of: V1Repository, kind: V1Kind, digest: Digest): Promise<V1Content | undefined>
  add(of: V1Repository, kind: V1Kind, content: V1Content): Promise<void>
  forget(of: V1Repository, kind: V1Kind, id: string): Promise<void>
}

export interface V1Store {
  readonly index: V1Index
  readonly blobs: Pick<BlobStore, 'ingest' | 'stat'>
  /** Whether this manifest is stored, and all that it names. */
  isComplete(manifest: Digest): Promise<boolean>
  /** Upstream has sent this content for this repository, which may read it from now on. */
  grant(repository: RepositoryName, digest: Digest): Promise<void>
  /** A layer is being taken; `progress` tells how far it is. Disposing ends it. Omitted: nobody looks. */
  readonly watch?: (progress: () => RunningTransfer) => Disposable
}
