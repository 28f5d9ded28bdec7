/**
 * What the store remembers about its bytes. Answers may come later, because an implementation may be on
 * another machine. Instants are epoch milliseconds.
 */
import type { DigestList } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Maybe } from '../util/async/maybe.ts'
import type { Size } from './operations.ts'

/**
 * The right to read: a repository is linked to the content that it was seen to contain upstream. Links go
 * with the content.
 */
export interface LinkIndex {
  has(repository: RepositoryName, digest: Digest): boolean | Promise<boolean>
  /** Whether any repository of this upstream is linked to it. */
  knows(upstream: string, digest: Digest): Promise<boolean>
  /** Whether any repository at all is linked to it. None is after the index was lost. */
  isLinked(digest: Digest): Promise<boolean>
  /** `mediaType`: what its upstream says the content is. The first that is said stays. */
  add(repository: RepositoryName, digest: Digest, mediaType?: string): Promise<void>
  /**
   * What the repository's upstream says the content is; undefined when it has not said it to this repository.
   */
  mediaType(repository: RepositoryName, digest: Digest): Maybe<string>
}

/** What manifests refer to, so that an image is known as a whole. Forgotten with the manifest. */
export interface ReferenceIndex {
  /** Whether references of this manifest are recorded. May be false for a manifest that refers to nothing. */
  has(manifest: Digest): boolean | Promise<boolean>
  /** Records the references of a stored manifest. Writes nothing when some are recorded already. */
  record(manifest: Digest, references: DigestList): Promise<void>
}

export interface TagEntry {
  readonly digest: Digest
  /** When upstream last confirmed it, or said that the tag is gone. */
  readonly checkedAt: number
  /** When upstream first said that the tag does not exist any more; undefined = it exists. */
  readonly goneAt?: number | undefined
}

export interface TagIndex {
  /** Counts as a use of the tag. */
  get(repository: RepositoryName, tag: string): Maybe<TagEntry>
  /** An entry that is gone counts as a deletion, like `remove`, but the tag is kept. */
  set(repository: RepositoryName, tag: string, entry: TagEntry): Promise<void>
  /**
   * Upstream says that the tag does not exist. Its content may not be available again, and is evicted last
   * until a tag points to it. The past of the tag records when.
   */
  remove(repository: RepositoryName, tag: string): Promise<void>
  /**
   * Forgets tags last used before this instant, and their history, but for those of the upstreams to keep.
   *
   * @returns how many
   */
  removeUnusedSince(instant: number, keep?: (upstream: string) => boolean): Promise<number>
}

export interface TagUses {
  /** Counts as a use, like `TagIndex.get`, of a tag that was answered from memory. */
  use(repository: RepositoryName, tag: string): void
}

/** A tag was seen to point to another digest than before. */
export interface TagChange {
  /** When the change was seen. */
  readonly at: number
  readonly digest: Digest
}

export interface TagPeek {
  /** As `TagIndex.get`, but no use of the tag. */
  peek(repository: RepositoryName, tag: string): Promise<TagEntry | undefined>
}

export interface TagNames {
  /** The tags of a repository that are known, in no particular order. No use of them. */
  names(repository: RepositoryName): Promise<readonly string[]>
}

export interface TagHistory {
  /**
   * The first sight of the tag, and at most the last 99 changes, newest first. The history outlives the tag's
   * removal. It is forgotten when nobody has asked for the tag for long.
   */
  history(repository: RepositoryName, tag: string): Promise<readonly TagChange[]>
}

/** A tag was seen to point to one digest, from one instant up to another. */
export interface TagStretch {
  readonly from: number
  /** Not included. undefined = it still does, as far as is known. */
  readonly until?: number | undefined
  readonly digest: Digest
  /**
   * What came at `until`, when it was not the next stretch: upstream had deleted the tag, or the changes that
   * followed are forgotten. Nothing is known of the tag from `until` to the next stretch.
   */
  readonly end?: 'deleted' | 'forgotten' | undefined
}

export interface TagPast {
  /**
   * The history of a tag with its deletions, the newest first: `TagHistory` without a guess. The changes that
   * followed the first sight are forgotten first, so the oldest stretch may be `forgotten`.
   */
  past(repository: RepositoryName, tag: string): Promise<readonly TagStretch[]>
}

export interface StoredContent {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly lastUsed: number
  /** The upstreams known to have it. */
  readonly upstreams: readonly string[]
}

export interface StoreUsage {
  readonly objects: number
  /** Size of the committed content. */
  readonly bytes: number
  /** Size of the index. */
  readonly indexBytes: number
  /** Size of the unfinished downloads that are kept for later. */
  readonly partialBytes: number
  /** Written bytes of the downloads that run. */
  readonly runningBytes: number
  readonly disk: DiskUsage
}

/** The file system that holds the store. */
export interface DiskUsage {
  readonly totalBytes: number
  readonly freeBytes: number
  /** How many files there may be, and how many more. Infinity where there is no such limit. */
  readonly totalInodes: number
  readonly freeInodes: number
}

export interface InventoryOptions {
  readonly limit: number
  readonly except: Pick<ReadonlySet<Digest>, 'has'>
  /** Upstreams whose content is left out. */
  readonly keep?: (upstream: string) => boolean
}

/** A use of a manifest is a use of what it refers to. */
export interface ContentInventory {
  usage(): Promise<StoreUsage>
  /** Records a use that the store did not see. `hit`: the content was read. */
  use(digest: Digest, hit?: boolean): void
  /** At most `limit` objects that were not used, or not fetched, since this instant. */
  olderThan(
    instant: number,
    by: 'use' | 'fetch',
    options: InventoryOptions,
  ): Promise<readonly StoredContent[]>
  /**
   * At most `limit` small and `limit` large objects, the longest unused of each. Content that vanished
   * upstream is included only when nothing else is left.
   */
  longestUnused(options: InventoryOptions): Promise<readonly StoredContent[]>
}

/** What each upstream has of the content. Content that several upstreams have counts in each. */
export interface UpstreamInventory {
  /** By upstream. One that has nothing may be missing. */
  usageByUpstream(): Promise<ReadonlyMap<string, Size>>
  /** As `ContentInventory.longestUnused`, of the content of one upstream. */
  longestUnusedOf(upstream: string, options: InventoryOptions): Promise<readonly StoredContent[]>
  /** Removes the links of all its repositories to the content, which stays for other upstreams. */
  unlink(upstream: string, ...digests: readonly Digest[]): Promise<void>
}
