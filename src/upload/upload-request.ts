import type { Digest } from '../oci/digest.ts'
import type { OpenedBlob } from '../ports/blob-store.ts'
import type { Destination } from '../ports/moving/destination.ts'
import type { Pace } from './send-body.ts'

/** One blob that a job wants in one repository of a destination. */
export interface UploadRequest {
  readonly destination: Destination
  /** As the destination names it. */
  readonly repository: string
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /**
   * Opens its bytes, when they have to be sent. The signal ends the wait.
   *
   * @returns undefined when they are to be had nowhere.
   */
  readonly open: (signal: AbortSignal) => Promise<OpenedBlob | undefined>
  /** Slows down what is sent. The job that begins an upload decides for those that join. */
  readonly pace?: Pace | undefined
}

/** A running upload as an operator sees it. Sizes in bytes. */
export interface UploadView {
  /** The authority of the destination. */
  readonly destination: string
  readonly repository: string
  readonly digest: Digest
  readonly size: number
  readonly sent: number
  /** Failures in a row. */
  readonly failures: number
}
