import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { BlobSource } from './connection.ts'

export interface TransferRequest {
  /** Who asks. A transfer is shared by all repositories of an upstream. */
  readonly repository: RepositoryName
  /** Whether upstream lets this repository read the blob: asked before it is given bytes that another one brought in. */
  readonly mayRead: () => Promise<boolean>
  readonly digest: Digest
  /** From the manifest's descriptor, where one was seen. */
  readonly expectedSize: number | undefined
  readonly source: BlobSource
  /** Told that upstream has sent every byte and the digest matches, before the last of them are given to anybody. */
  readonly verified: () => Promise<void>
}
