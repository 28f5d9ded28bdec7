import type { ImageCatalogue, Inspect, Verify } from '../ports/operations.ts'
import type { ImageName, ImagePattern } from '../oci/image-pattern.ts'
import type { Digest } from '../oci/digest.ts'
import type {
  ContentInventory,
  LinkIndex,
  ReferenceIndex,
  TagHistory,
  TagIndex,
  TagPast,
  TagNames,
  TagPeek,
  TagUses,
  UpstreamInventory,
} from '../ports/metadata.ts'
import type { ConversionIndex, LayerFactsIndex } from '../ports/conversions.ts'
import type { BlobReader, BlobStore } from '../ports/blob-store.ts'
import type { EndpointOwners } from '../ports/endpoint-owners.ts'
import type { V1Index } from '../ports/v1-images.ts'
import type { UsedSince } from '../ports/insight/drill.ts'
import type { StoredRepositories } from '../ports/search.ts'
import type { SavingsLog } from '../ports/insight/savings.ts'
import type { ListCopy, MovesSince, Retention, SeenAt, TrustedDigest, TrustedDigests } from '../ports/time.ts'
import type { StoreTelemetry } from '../ports/telemetry.ts'
import type { UploadSources } from '../ports/moving/upload-sources.ts'
import { type AdoptFile } from './adopt/adopt-file.ts'
import { type VerifyReads } from './blobs/file-blob-store.ts'
import { type Files } from './files.ts'
import { accessProblem } from './access-problem.ts'
import { type LockWait, isInUse } from './lock.ts'
import { type SweepLimits } from './blobs/partials.ts'
import { paths as pathsOf } from './paths.ts'
import type { Pins } from './operations/pins.ts'
import type { RunLog } from './index/tags/runs.ts'
import { openInFolder } from './open-in-folder.ts'
import type { Forgotten } from './operations/purge.ts'
import { type Offload } from './operations/offload.ts'

export interface FilesystemStore {
  readonly blobs: BlobStore<BlobReader>
  readonly inventory: ContentInventory
  readonly ofUpstreams: UpstreamInventory
  /** Opens content, which is no use of it. */
  peek(digest: Digest): Promise<BlobReader | undefined>
  readonly offload: Offload
  /** Removes damaged content, and counts it. */
  discard(digest: Digest): Promise<void>
  readonly links: LinkIndex
  readonly references: ReferenceIndex
  readonly conversions: ConversionIndex
  readonly layerFacts: LayerFactsIndex
  readonly tags: TagIndex & TagUses & TagHistory & TagPast & TagPeek & TagNames
  readonly catalogue: ImageCatalogue
  readonly pins: Pins
  readonly verify: Verify
  /** Takes over a file that another program stored. */
  readonly adopt: AdoptFile
  readonly inspect: Inspect
  /** The images that some of this content is. */
  imagesOf(digests: readonly Digest[]): Promise<readonly ImageName[]>
  readonly savings: SavingsLog
  /** @see recordUrls @throws RegistryError STORAGE */
  recordUrls(urls: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, number>>
  readonly trusted: TrustedDigests & ListCopy<TrustedDigest>
  readonly v1: V1Index
  /** A purge of a tag forgets its owner. */
  readonly endpointOwners: EndpointOwners
  readonly uploadSources: UploadSources
  readonly movesSince: MovesSince
  /** When content was last used, in epoch milliseconds, of those of `digests` that are stored. */
  lastUses(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, number>>
  /** Removes the links of content that is not stored. */
  removeLinks(...digests: readonly Digest[]): Promise<void>
  readonly seenAt: SeenAt
  /** The content that the rules of `retained` keep, at most a few seconds old. */
  readonly retained: () => Promise<ReadonlySet<Digest>>
  readonly usedSince: UsedSince
  readonly runs: RunLog
  readonly repositories: StoredRepositories
  /** The upstreams of which something is stored. */
  upstreams(): Promise<readonly string[]>
  /** Removes unfinished downloads beyond these limits. */
  sweepPartials(limits: SweepLimits): Promise<void>
  /**
   * Removes the oldest unfinished downloads until so many bytes are free. @returns how many bytes were freed
   */
  evictPartials(bytes: number): Promise<number>
  /** `now` has followed a step of the wall clock. */
  clockStepped(milliseconds: number): Promise<void>
  /** Checks that the store is writable, by writing a file and removing it. @throws when it is not */
  probe(): Promise<void>
  close(): Promise<void>
}

export interface FilesystemStoreOptions {
  readonly root: string
  readonly telemetry: StoreTelemetry
  /** The patterns that the configuration pins. */
  readonly pinned?: readonly ImagePattern[]
  /** Bytes that upstreams may take, by name. For reports: the evictor keeps to it. */
  readonly shares?: () => ReadonlyMap<string, number>
  /**
   * Called when the files are searched for content that the index does not know, because the index is new or
   * the last process was killed.
   */
  readonly rebuilding?: () => void
  /** What is evicted here is elsewhere too. */
  readonly isTier?: boolean
  /** Links outlive content that is evicted, because it is elsewhere too. */
  readonly keepLinks?: boolean
  /** Content was purged. What else has it is to remove it too. */
  readonly purged?: (digests: readonly Digest[]) => Promise<void>
  /** Images of which the past is kept, and for how long. Left out: none. */
  readonly retained?: () => readonly Retention[]
  /** Milliseconds that a run is kept, from its first choice on. Left out: for a week. */
  readonly keepRuns?: () => number
  /** Tags and links were purged, as of `purged`. */
  readonly forgotten?: (forgotten: Forgotten) => Promise<void>
  /** Which reads are verified. */
  readonly verify?: VerifyReads
  /** Called with content that is removed because it is damaged. */
  readonly corrupt?: (digest: Digest) => void
  /** How long to wait for another process to close the store. Left out: not at all. */
  readonly lockWait?: LockWait
  readonly files?: Files
  /**
   * The wall clock, where `now` does not follow it at once. The store then moves its instants when it was
   * set.
   */
  readonly wall?: () => number
  /** Epoch milliseconds. */
  readonly now?: () => number
}

/**
 * Opens the store in a folder.
 *
 * @throws Error when another process has it open, it has another format, or it is not writable
 */
export async function filesystemStore(options: FilesystemStoreOptions): Promise<FilesystemStore> {
  const paths = pathsOf(options.root)
  try {
    return await openInFolder(paths, options)
  } catch (error) {
    const problem = isInUse(error) ? undefined : await accessProblem(paths)
    throw problem === undefined ? error : new Error(problem, { cause: error })
  }
}
