import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { BlobBody } from '../ports/upstream.ts'
import type { Interval } from '../util/interval-set.ts'

/** Where one blob's bytes come from. It is opened again for every attempt, and for every range. */
export interface Source {
  /**
   * Asks for the bytes of `range`, or for the whole blob. The caller checks where the body starts.
   *
   * @returns undefined when the source does not have the blob.
   * @throws RegistryError as `UpstreamRepository.blob` does; RANGE_INVALID when the range is refused.
   */
  open(range: Partial<Interval> | undefined, signal: AbortSignal): Promise<BlobBody | undefined>
  /** It is not opened again. Called once, when the download is over, however it ended. */
  released?(): Promise<void>
}

/** One blob that a repository wants to read. */
export interface DownloadRequest {
  /** The repository that asks. All repositories of an upstream share one download. */
  readonly repository: RepositoryName
  /** Who asks first. The place in the queue counts for this client. */
  readonly client?: string | undefined
  /** Whether upstream lets this repository read the blob. Asked before it joins another one's download. */
  readonly mayRead: () => Promise<boolean>
  readonly digest: Digest
  /** From the manifest's descriptor, if one was seen. */
  readonly expectedSize: number | undefined
  readonly source: Source
  /** As `UpstreamRepository.promisesBlobsAfter`. */
  readonly promiseAfter?: number | undefined
  /** Runs when every byte has arrived and the digest matches, before any reader gets the withheld end. */
  readonly verified: () => Promise<void>
}
