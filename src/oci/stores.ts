/**
 * The seams. A disk, an upstream and the proxy between them offer the same small read interfaces, so that a cache is a store
 * that wraps a store. Everywhere: `undefined` means "it does not exist there", a throw means "could not find out".
 */
import type { CacheStatus } from './cache-status.ts'
import type { Content, Descriptor, Manifest } from './descriptor.ts'
import type { Digest } from './digest.ts'
import type { IntervalSet } from './intervals.ts'
import type { RepositoryName } from './reference.ts'

/** Told how an answer came about, before the answer is given. The last call counts. */
export type Report = (status: CacheStatus) => void

export interface ReadOptions {
  /** Ends the caller's own wait, never work that others share. */
  readonly signal?: AbortSignal
  readonly report?: Report
  /** Of what is opened only a part will be read. */
  readonly partly?: boolean
}

/** Positional, so that a committed file, a running transfer and an upstream pass-through are read by one loop. */
export interface BlobReader extends AsyncDisposable {
  readonly descriptor: Descriptor
  /** All of it, verified, where it is in memory anyway. */
  readonly whole?: Buffer
  /**
   * Fills `buffer` from `position` with what is there, waiting until at least one byte is. 0 = end. Throws when the bytes can
   * no longer come, and when the reader is disposed meanwhile.
   */
  read(buffer: Buffer, position: number): Promise<number>
}

export interface BlobProvider {
  stat(digest: Digest, options?: ReadOptions): Promise<Descriptor | undefined>
  /** The caller disposes the reader. Content that is evicted meanwhile stays readable to the end. */
  open(digest: Digest, options?: ReadOptions): Promise<BlobReader | undefined>
}

export interface ExpectedContent {
  readonly digest: Digest
  readonly size?: number
  readonly mediaType?: string
  /** Whose bytes they are: what an interrupted ingest left is continued from by those of the same origin only. */
  readonly origin?: string
}

/**
 * One object's bytes on their way in. Invisible through the store until `commit`. Disposing it without `commit` or `keep`
 * discards the bytes; disposing it after is how its file is closed, and what was committed stays readable through it till then.
 */
export interface BlobIngest extends AsyncDisposable {
  /** What is there, including what an interrupted ingest of the same digest left. Unverified. */
  readonly filled: IntervalSet
  /**
   * What is filled already stays as it is. `size` is that of the whole content, where it became known after the ingest began.
   * @returns how many of the bytes were not there
   */
  write(chunk: Uint8Array, position: number, size?: number): Promise<number>
  /** Reads what is filled, 0 bytes at `size`. Asking for what is not filled is a mistake of the caller. */
  read(buffer: Buffer, position: number): Promise<number>
  /** Hashes whatever is not hashed yet. @throws RegistryError UPSTREAM_INVALID when size or digest are not the expected ones. */
  verify(size: number): Promise<void>
  /**
   * Makes the verified bytes durable and visible, in one step: wholly there or absent, whenever the machine stops.
   *
   * @returns what the store has now: where the bytes were there before under a media type, they keep that.
   */
  commit(): Promise<Descriptor>
  /** Leaves the bytes so that a later ingest of this digest continues from them, in another process too; not when it is stored. */
  keep(): Promise<void>
}

export interface BlobStore extends BlobProvider {
  ingest(expected: ExpectedContent): Promise<BlobIngest>
  /** What is not there is deleted already. */
  delete(...digests: readonly Digest[]): Promise<void>
}

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
