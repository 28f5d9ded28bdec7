import type { Manifest } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Maybe } from '../util/maybe.ts'
import type { BlobProvider } from './blob-store.ts'
import type { ReadOptions } from './read-options.ts'

/*
 * Most requests are for the same few things, which are in memory. Waiting for what need not be waited for is most of the cost
 * of answering them: hence `Maybe`.
 */

export interface ManifestProvider {
  get(digest: Digest, options?: ReadOptions): Maybe<Manifest>
}

/** Which part of a tag list to return. */
export interface PageRequest {
  /** How many tags at most; undefined = as many as the registry likes. */
  readonly n?: number
  /** Return tags after this one, in lexical order. */
  readonly last?: string
}

export interface TagPage {
  readonly tags: readonly string[]
  /** Asks for the next page; undefined = this was the last. */
  readonly next?: PageRequest
}

export interface TagService {
  resolve(tag: string, options?: ReadOptions): Maybe<Digest>
  list(page: PageRequest, options?: ReadOptions): Promise<TagPage | undefined>
}

/** distribution-spec v1.1.1 "Listing Referrers". `body` is an image index; `filtered` = upstream applied `artifactType`. */
export interface Referrers {
  readonly body: Buffer
  readonly filtered: boolean
}

export interface ReferrersService {
  list(digest: Digest, artifactType?: string, options?: ReadOptions): Promise<Referrers | undefined>
}

export interface Repository {
  readonly name: RepositoryName
  readonly blobs: BlobProvider
  readonly manifests: ManifestProvider
  readonly tags: TagService
  readonly referrers: ReferrersService
}

/** The parts of a request that select a repository. */
export interface Address {
  /** containerd's `?ns=`. */
  readonly namespace?: string
  readonly host?: string
  readonly name: string
}

export interface Registry {
  /** undefined = the address names an upstream that is not configured. @throws RegistryError DENIED when a rule forbids it */
  find(address: Address): Repository | undefined
}
