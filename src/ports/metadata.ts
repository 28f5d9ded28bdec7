/** What the store remembers about its bytes. Asynchronous, because one implementation may be on another machine. Instants are epoch milliseconds. */
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'

/** Who has shown that they may read what: a repository is linked to the content it was seen to contain upstream. */
export interface LinkIndex {
  has(repository: RepositoryName, digest: Digest): Promise<boolean>
  /** Whether any repository of this upstream is linked to it. */
  knows(upstream: string, digest: Digest): Promise<boolean>
  add(repository: RepositoryName, digest: Digest): Promise<void>
  remove(repository: RepositoryName, digest: Digest): Promise<void>
}

/** What manifests refer to, so that an image is known as a whole. Forgotten with the manifest. */
export interface ReferenceIndex {
  of(manifest: Digest): Promise<readonly Digest[]>
  /** For a manifest that is stored. Costs no write when it was done before. */
  record(manifest: Digest, references: readonly Digest[]): Promise<void>
}

export interface TagEntry {
  readonly digest: Digest
  /** When upstream last confirmed it. */
  readonly checkedAt: number
}

export interface TagIndex {
  /** Counts as a use of the tag. */
  get(repository: RepositoryName, tag: string): Promise<TagEntry | undefined>
  set(repository: RepositoryName, tag: string, entry: TagEntry): Promise<void>
  /** Upstream says that it does not exist: what it pointed to may not be had again, and is evicted last until a tag points to it. */
  remove(repository: RepositoryName, tag: string): Promise<void>
  /** Forgets tags last used before this instant, and their history. @returns how many */
  removeUnusedSince(instant: number): Promise<number>
}

export interface TagUses {
  /** Counts as a use, like `TagIndex.get`, of a tag that was answered from memory. */
  use(repository: RepositoryName, tag: string): void
}

/** That a tag was seen to point to something else than before. */
export interface TagChange {
  /** When it was seen. */
  readonly at: number
  readonly digest: Digest
}

export interface TagHistory {
  /** At most the last hundred changes, the newest first. Outlives the tag's removal, and is forgotten with what nobody asks for. */
  history(repository: RepositoryName, tag: string): Promise<readonly TagChange[]>
}

export interface StoredContent {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly lastUsed: number
  /** Those it can be fetched from again, as far as is known. */
  readonly upstreams: readonly string[]
}

export interface StoreUsage {
  readonly objects: number
  /** Of committed content. */
  readonly bytes: number
  /** On the file system that holds it. */
  readonly freeBytes: number
}

export interface InventoryOptions {
  readonly limit: number
  readonly except: ReadonlySet<Digest>
}

/** A use of a manifest is a use of what it refers to. */
export interface ContentInventory {
  usage(): Promise<StoreUsage>
  /** Notes a use that the store did not see; `hit` when it was read. */
  use(digest: Digest, hit?: boolean): void
  /** Of what was not used, or fetched, since this instant, at most `limit` objects. */
  olderThan(
    instant: number,
    by: 'use' | 'fetch',
    options: InventoryOptions,
  ): Promise<readonly StoredContent[]>
  /** At most `limit` small objects and as many others, the longest unused of each. What vanished upstream only where nothing else is left. */
  longestUnused(options: InventoryOptions): Promise<readonly StoredContent[]>
}
