import type { Manifest } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { ReferrerList } from '../oci/referrers.ts'
import type { Maybe } from '../util/async/maybe.ts'
import type { BlobProvider } from './blob-store.ts'
import type { ReadOptions } from './read-options.ts'

/*
 * Most requests are for the same few things, which are in memory. Waiting for a promise would be most of the
 * cost of answering them: hence `Maybe`.
 */

export interface ManifestProvider {
  get(digest: Digest, options?: ReadOptions): Maybe<Manifest>
}

/** Which part of a tag list to return. */
export interface PageRequest {
  /** How many tags at most; undefined = all. */
  readonly n?: number
  /** Return tags after this one, in lexical order. */
  readonly last?: string
  /** Continues a list that is too long to be ours, in the upstream's own words. */
  readonly cursor?: string
}

export interface TagPage {
  /** The text between the brackets of a JSON array, as in `TagList`. */
  readonly tags: Buffer
  /** Asks for the next page; undefined = this was the last. */
  readonly next?: PageRequest
}

export interface TagService {
  resolve(tag: string, options?: ReadOptions): Maybe<Digest>
  list(page: PageRequest, options?: ReadOptions): Promise<TagPage | undefined>
}

export interface ReferrersService {
  /** All of them; an empty list where there are none. */
  list(digest: Digest, options?: ReadOptions): Promise<ReferrerList>
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
  readonly namespace?: string | undefined
  readonly host?: string | undefined
  readonly name: string
}

export interface Registry {
  /**
   * undefined = the address names an upstream that is not configured.
   *
   * @throws RegistryError DENIED when a rule forbids it
   */
  find(address: Address): Repository | undefined
}
