/**
 * Blobs on another machine, by digest, immutable. The replica's own store is a tier in front of them. As
 * everywhere, `undefined` = it does not exist there; a throw = could not find out.
 */
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { Interval } from '../util/interval-set.ts'
import type { BlobReader } from './blob-store.ts'
import type { BlobBody } from './upstream.ts'

/** Every method throws RegistryError UPSTREAM_UNAVAILABLE, UPSTREAM_TIMEOUT or UPSTREAM_DENIED. */
export interface RemoteBlobs {
  stat(digest: Digest, signal?: AbortSignal): Promise<Descriptor | undefined>
  /**
   * The bytes of `range`, of the whole blob without it. What comes is not verified.
   *
   * @throws RegistryError RANGE_INVALID when the blob has no such bytes.
   */
  open(
    digest: Digest,
    range: Partial<Interval> | undefined,
    signal?: AbortSignal,
  ): Promise<BlobBody | undefined>
  /**
   * A URL that sends this blob, whole or by range, to whoever has the URL, for some minutes. It is a secret. Whether
   * the blob is there is not asked.
   */
  locate(digest: Digest): Promise<string>
  /**
   * Stores a blob, all of it or nothing. A blob that is there already stays as it is.
   *
   * @throws RegistryError STORAGE when the reader's bytes do not match their digest.
   */
  put(blob: BlobReader, signal?: AbortSignal): Promise<void>
  /** Sets `storedAt` to now. Does nothing when the blob is not stored. */
  touch(digest: Digest): Promise<void>
  /** A digest that is not stored counts as deleted. */
  delete(...digests: readonly Digest[]): Promise<void>
  /** All of them, in pages. */
  list(): AsyncIterable<readonly RemoteBlob[]>
}

export interface RemoteBlob {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** Epoch milliseconds. */
  readonly storedAt: number
}
