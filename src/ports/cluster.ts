/** What the replicas of a cluster do for each other. Without it, a replica does everything for itself. */
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Interval } from '../util/interval-set.ts'
import type { OpenedBlob } from './blob-store.ts'
import type { BlobBody } from './upstream.ts'

/** Where the bytes of one blob come from, as `download/download-request.ts` says of `Source`. */
interface BlobSource {
  open(range: Partial<Interval> | undefined, signal: AbortSignal): Promise<BlobBody | undefined>
  released?(): Promise<void>
}

/** A blob that is about to be downloaded from upstream. */
export interface SharedDownload {
  readonly repository: RepositoryName
  readonly digest: Digest
  /** Whether upstream lets the repository read it, while another repository downloads it. */
  readonly mayRead: () => Promise<boolean>
  /** The same, where the bytes are stored: the upstream must have sent them before. */
  readonly mayReadStored: () => Promise<boolean>
}

/** A tag as all replicas know it. `digest` is undefined when upstream said that it does not exist. */
export interface SharedTag {
  readonly digest: Digest | undefined
  readonly checkedAt: number
  readonly goneAt?: number
}

export interface Cluster {
  /** `upstream`, which only one replica reads from at a time: the others read along from that one. */
  share(download: SharedDownload, upstream: BlobSource): BlobSource
  /**
   * Asks for something that only one replica is to ask for at a time.
   *
   * @param found finds what another one has got meanwhile
   * @param stored what this replica has committed with an answer; the others need it
   */
  once<T>(
    key: string,
    found: () => Promise<T | undefined>,
    ask: () => Promise<T>,
    stored: (answer: T) => Digest | undefined,
  ): Promise<T>
  /** The tag as all replicas know it now; undefined when that is not known. */
  latestTag(repository: RepositoryName, tag: string): Promise<SharedTag | undefined>
  /** Tells all that it does not exist upstream, for so many milliseconds. */
  tellAbsent(key: string, duration: number): void
  /** Calls the last one that was given with what the others tell. */
  onAbsent(absent: (key: string, duration: number) => void): void
}

/** What a replica gives to the others. */
export interface PeerAccess {
  /** Whether this is what a replica shows. */
  isPeer(token: string): boolean
  /** What this replica has of a blob, or is downloading. The others have found out who may read it. */
  open(upstream: string, digest: Digest, signal: AbortSignal): Promise<OpenedBlob | undefined>
}
