import type { Share } from './catalogue.ts'
import type { Digest } from '../oci/digest.ts'

/** An object that is not what it is called. It is removed where it is found, and fetched again when somebody asks for it. */
export interface BadObject {
  readonly digest: Digest
  /** As it should be. Bytes. */
  readonly size: number
  readonly problem: 'missing' | 'wrong size' | 'wrong content' | 'unreadable'
  /** Those that contain it, `docker.io/library/alpine`. */
  readonly repositories: readonly string[]
}

export interface VerificationStep {
  readonly checked: Share
  /** All there was at the beginning. */
  readonly total: Share
  /** Found since the last step. */
  readonly bad: readonly BadObject[]
  /** It is the last one: everything was looked at. */
  readonly isDone: boolean
}

export interface VerifyOptions {
  readonly bytesPerSecond: number
  readonly signal?: AbortSignal
}

/** Hashes all that is stored, now and then telling how far it is. Leaving the loop ends it. */
export type Verify = (options: VerifyOptions) => AsyncIterable<VerificationStep>
