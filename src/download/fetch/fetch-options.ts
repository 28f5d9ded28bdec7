import type { BlobIngest } from '../../ports/blob-store.ts'
import type { DownloadPolicy } from '../download-policy.ts'
import type { Source } from '../download-request.ts'

/** Learns how a fetch goes on. */
export interface FetchObserver {
  /** The source has the blob; `size` is undefined when it did not tell. Called at most once. */
  confirmed(size: number | undefined): void
  /** `bytes` more can be read. */
  wrote(bytes: number): void
  /** Another attempt begins after one that failed. */
  resumed(): void
  /** The positions that readers wait for, the longest wait first. */
  positions(): Iterable<number>
}

export interface FetchOptions {
  readonly ingest: BlobIngest
  readonly source: Source
  readonly expectedSize: number | undefined
  readonly policy: DownloadPolicy
  readonly observer: FetchObserver
}
