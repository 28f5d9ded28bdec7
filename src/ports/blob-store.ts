/**
 * The seams. A disk, an upstream and the proxy between them offer the same small read interfaces, so that a cache is a store
 * that wraps a store. Everywhere: `undefined` means "it does not exist there", a throw means "could not find out".
 */
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { IntervalSet } from '../util/interval-set.ts'
import type { ReadOptions } from './read-options.ts'

/** Positional, so that a committed file, a running transfer and an upstream pass-through are read by one loop. */
export interface BlobReader extends AsyncDisposable {
  readonly descriptor: Descriptor
  /** All of it, verified, where it is in memory anyway. */
  readonly whole?: Buffer
  /**
   * Fills `buffer` from `position` with what is there, waiting until at least one byte is. 0 = end. Throws when the bytes can
   * no longer come, and when the reader is disposed meanwhile.
   */
  read(buffer: Buffer, position: number): Promise<number>
}

export interface BlobProvider {
  stat(digest: Digest, options?: ReadOptions): Promise<Descriptor | undefined>
  /** The caller disposes the reader. Content that is evicted meanwhile stays readable to the end. */
  open(digest: Digest, options?: ReadOptions): Promise<BlobReader | undefined>
}

export interface ExpectedContent {
  readonly digest: Digest
  readonly size?: number
  readonly mediaType?: string
  /** Whose bytes they are: what an interrupted ingest left is continued from by those of the same origin only. */
  readonly origin?: string
}

/**
 * One object's bytes on their way in. Invisible through the store until `commit`. Disposing it without `commit` or `keep`
 * discards the bytes; disposing it after is how its file is closed, and what was committed stays readable through it till then.
 */
export interface BlobIngest extends AsyncDisposable {
  /** What is there, including what an interrupted ingest of the same digest left. Unverified. */
  readonly filled: IntervalSet
  /**
   * What is filled already stays as it is. `size` is that of the whole content, where it became known after the ingest began.
   * @returns how many of the bytes were not there
   */
  write(chunk: Uint8Array, position: number, size?: number): Promise<number>
  /** Reads what is filled, 0 bytes at `size`. Asking for what is not filled is a mistake of the caller. */
  read(buffer: Buffer, position: number): Promise<number>
  /** Hashes whatever is not hashed yet. @throws RegistryError UPSTREAM_INVALID when size or digest are not the expected ones. */
  verify(size: number): Promise<void>
  /**
   * Makes the verified bytes durable and visible, in one step: wholly there or absent, whenever the machine stops.
   *
   * @returns what the store has now: where the bytes were there before under a media type, they keep that.
   */
  commit(): Promise<Descriptor>
  /** Leaves the bytes so that a later ingest of this digest continues from them, in another process too; not when it is stored. */
  keep(): Promise<void>
}

export interface BlobStore extends BlobProvider {
  ingest(expected: ExpectedContent): Promise<BlobIngest>
  /** What is not there is deleted already. */
  delete(...digests: readonly Digest[]): Promise<void>
}
