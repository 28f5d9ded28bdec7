import type { Digest } from '../../oci/digest.ts'

/** A repository of a destination that was seen to have a blob, or a manifest. */
export interface UploadSource {
  readonly repository: string
  /** An HMAC by the credentials it was seen with (`Destination.seal`). */
  readonly seal: string
}

/** Where a destination has content: what it may be mounted from, and what need not be sent. Bounded. */
export interface UploadSources {
  /** Youngest first. `registry` is the authority of the destination. */
  of(registry: string, digest: Digest): Promise<readonly UploadSource[]>
  add(registry: string, digest: Digest, source: UploadSource): Promise<void>
  remove(registry: string, digest: Digest, repository: string): Promise<void>
}
