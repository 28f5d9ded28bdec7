import type { Content, Manifest } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { BlobProvider } from './blob-store.ts'
import type { ReadOptions, Report } from './read-options.ts'

/**
 * Who also answers at once, from memory, what it would answer anyway; `undefined` means that it has to be asked properly. Most
 * requests are for the same few things, and waiting for what need not be waited for is most of the cost of answering them.
 */
export interface Recalling<Key, Value> {
  recall?(key: Key, report: Report): Value | undefined
}

export interface ManifestProvider extends Recalling<Digest, Manifest> {
  get(digest: Digest, options?: ReadOptions): Promise<Manifest | undefined>
}

export interface Page {
  /** How many; undefined = as many as the registry likes. */
  readonly n?: number
  /** Names after this one, in lexical order. */
  readonly last?: string
}

export interface TagPage {
  readonly tags: readonly string[]
  /** Where the next page begins; undefined = this was the last. */
  readonly next?: Page
}

export interface TagService extends Recalling<string, Digest> {
  resolve(tag: string, options?: ReadOptions): Promise<Digest | undefined>
  list(page: Page, options?: ReadOptions): Promise<TagPage | undefined>
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
  readonly blobs: BlobProvider & Recalling<Digest, Content>
  readonly manifests: ManifestProvider
  readonly tags: TagService
  readonly referrers: ReferrersService
}

/** What a request says about which repository it means. */
export interface Address {
  /** containerd's `?ns=`. */
  readonly namespace?: string
  readonly host?: string
  readonly name: string
}

export interface Registry {
  /** undefined = the address names an upstream that is not configured. @throws RegistryError DENIED where a rule of ours forbids it */
  find(address: Address): Repository | undefined
}
