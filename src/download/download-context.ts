import type { Digest } from '../oci/digest.ts'
import type { BlobStore } from '../ports/blob-store.ts'
import type { DownloadPolicy } from './download-policy.ts'
import type { Heartbeat } from './heartbeat.ts'
import type { Queue } from './queue.ts'

/** A running download as an operator sees it. Sizes in bytes. */
export interface DownloadView {
  readonly upstream: string
  readonly digest: Digest
  readonly size: number | undefined
  readonly filled: number
  readonly bytesPerSecond: number
  readonly followers: number
  readonly connections: number
  readonly attempts: number
  /** Epoch milliseconds. */
  readonly startedAt: number
}

/** `failed`: source or store failed, or the download was stopped. `mismatch`: upstream sent other content. */
export type Outcome = 'committed' | 'missing' | 'failed' | 'mismatch'

/** What all downloads of an upstream share. */
export interface DownloadContext {
  readonly store: Pick<BlobStore, 'ingest'>
  readonly queue: Queue
  readonly policy: DownloadPolicy
  readonly heartbeat: Heartbeat
  /** Downloads that were received, and are on their way to the disk. */
  readonly committing: Set<object>
  /** Another attempt begins after one that failed. */
  readonly resumed: () => void
  /** Something went wrong, whether or not a reader notices. */
  readonly failed: (view: DownloadView, error: unknown) => void
}
