/** What the replicas of a cluster do for each other. Without it, a replica does everything for itself. */
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Interval } from '../util/interval-set.ts'
import type { OpenedBlob } from './blob-store.ts'
import type { BlobBody } from './upstream.ts'

/** The operation that fails while the database of the replicas does not answer, in the detail of the error. */
export const SHARED_INDEX = 'shared index'

/** Where the bytes of one blob come from, as `download/download-request.ts` says of `Source`. */
interface BlobSource {
  open(range: Partial<Interval> | undefined, signal: AbortSignal): Promise<BlobBody | undefined>
  released?(): Promise<void>
}

/** A blob that is about to be downloaded from upstream. */
export interface SharedDownload {
  readonly repository: RepositoryName
  readonly digest: Digest
  /** Bytes, where a manifest of the repository tells. */
  readonly expectedSize?: number | undefined
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

/** What a replica has found of an upstream, by its own requests. */
export interface Outage {
  /** One of the addresses of an upstream, by the name that errors and metrics have for it. */
  readonly endpoint: string
  /** `host`: it cannot be reached. Otherwise a kind of request that fails for several repositories. */
  readonly what: string
  readonly isOut: boolean
}

/**
 * What replicas tell each other of upstreams that are out. It is evidence, and no verdict: the network of a
 * replica may be what is broken.
 */
export interface Neighbours {
  tell(outage: Outage): void
  /**
   * Whether this replica looks now whether a host is back, and the others do not for so many milliseconds. True
   * where they cannot be asked.
   */
  mayProbe(endpoint: string, milliseconds: number): Promise<boolean>
}

/** Jobs of which one replica does what the others need not do too. */
export interface SharedJobs {
  /**
   * Does what the clock says on one replica. Settles when it is done, by whichever.
   *
   * @param due the instant of the clock, the same on all replicas
   * @throws what `work` throws here, or the reason of the signal
   */
  once(job: string, due: number, work: () => Promise<void>, signal: AbortSignal): Promise<void>
  /** Does something while no other replica does the like. @throws as `once` */
  inTurn<T>(job: string, work: () => Promise<T>, signal: AbortSignal): Promise<T>
}

/** Keeps replicas from uploading the same at a time. It is for economy: an upload twice does no harm. */
export interface UploadTurns {
  /** @returns false while another replica uploads this blob */
  take(digest: Digest): Promise<boolean>
  /** Lets the others. */
  give(digest: Digest): Promise<void>
}

/** What a replica gives to the others. */
export interface PeerAccess {
  /** Whether a replica has made the token, for this blob of this replica. */
  isPeer(token: string, upstream: string, digest: string): boolean
  /**
   * What this replica has of a blob, or is downloading, for another one that expects `size` bytes if it knows. The
   * others have found out who may read it.
   */
  open(
    upstream: string,
    digest: Digest,
    options: { readonly size: number | undefined; readonly signal: AbortSignal },
  ): Promise<OpenedBlob | undefined>
}
