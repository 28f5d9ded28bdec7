/**
 * The seams. A disk, an upstream and the proxy between them offer the same small read interfaces, so that a
 * cache is a store that wraps a store. Everywhere `undefined` means "it does not exist there", and a throw
 * means "could not find out".
 */
import type { Content, Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { IntervalSet } from '../util/interval-set.ts'
import type { Maybe } from '../util/async/maybe.ts'
import type { ReadOptions } from './read-options.ts'

/** Positional, so that one loop reads a committed file, a running download and an upstream pass-through. */
export interface BlobReader extends AsyncDisposable {
  readonly descriptor: Descriptor
  /**
   * The bytes may be minutes away, and whether they come at all is not known. Headers do not wait for them.
   */
  readonly isPromised?: boolean | undefined
  /**
   * Fills `buffer` with the available bytes from `position` on. It waits until at least one byte is
   * available. 0 = end.
   *
   * @throws when the bytes can no longer come, and when the reader is disposed meanwhile.
   */
  read(buffer: Buffer, position: number): Promise<number>
  /**
   * As `read`, but lends the available bytes where they are in memory that their writer shares.
   *
   * @returns undefined when they are not, and when `read` would fail or return 0
   * @throws when the reader is disposed meanwhile
   */
  readonly lend?: ((position: number) => Promise<LentBytes | undefined>) | undefined
  /**
   * Reads bytes that `read` has returned once more, also after it threw. Readers of bytes that were not
   * verified when they were read have it.
   *
   * @throws RegistryError STORAGE when they are lost.
   */
  readonly reread?: ((buffer: Buffer, position: number) => Promise<number>) | undefined
  /** Given when the caller may take bytes from another reader instead. */
  readonly sharing?: BytesSharing | undefined
  /**
   * The file that holds the content, committed, relative to the store's root. Given when whoever may read the
   * store's folder may send it instead: its bytes need no verifying.
   */
  readonly file?: string | undefined
  /**
   * The URL that sends the content to whoever has it, and a secret. Given instead of bytes, to those who have
   * said `mayRedirect`.
   */
  readonly location?: string | undefined
}

/**
 * What wraps a reader satisfies this: it has each member, also those that it leaves out, so that one that is
 * added is not lost on the way.
 */
export type WrappedReader = { readonly [K in keyof Required<BlobReader>]: BlobReader[K] }

/** Bytes that stay as they are until they are given back. Their writer fills the memory again then. */
export interface LentBytes {
  readonly bytes: Buffer
  /** Nothing uses the bytes any more, neither the caller nor the kernel. To be called once. */
  giveBack(): void
}

/** Readers that return the same bytes at the same place, as they read one file that never changes. */
export interface BytesSharing {
  /** The same for such readers, and for no others. */
  readonly key: string
  /** The caller has taken bytes of another one, as if `read` had returned them. */
  took(position: number, count: number): void
}

/**
 * A small blob comes whole, verified and in memory; there is nothing to dispose. Any other comes as a reader.
 */
export type OpenedBlob = Content | BlobReader

/** `Opened`: what blobs come as; a store without a memory tier has only readers. */
export interface BlobProvider<Opened extends OpenedBlob = OpenedBlob> {
  stat(digest: Digest, options?: ReadOptions): Maybe<Descriptor>
  /** The caller disposes a reader. Content that is evicted meanwhile stays readable to the end. */
  open(digest: Digest, options?: ReadOptions): Maybe<Opened>
}

export function isInMemory(blob: OpenedBlob): blob is Content {
  return 'bytes' in blob
}

export interface ExpectedContent {
  readonly digest: Digest
  readonly size?: number
  readonly mediaType?: string
  /** Who sends the bytes. An interrupted ingest is continued only by one of the same origin. */
  readonly origin?: string
}

/**
 * One object's bytes on their way in. They are invisible through the store until `commit`.
 *
 * Disposing the ingest without `commit` or `keep` discards the bytes. Disposing it after `commit` closes its
 * file; the committed bytes stay readable through it till then.
 */
export interface BlobIngest extends AsyncDisposable {
  /** The bytes so far, including those of an interrupted ingest of the same digest. Unverified. */
  readonly filled: IntervalSet
  /**
   * Bytes that are filled already are not overwritten. `size` is the size of the whole content, when it
   * became known after the ingest began.
   *
   * @returns how many of the bytes were new
   */
  write(chunk: Uint8Array, position: number, size?: number): Promise<number>
  /** Reads filled bytes, 0 at `size`. Reading bytes that are not filled is a mistake of the caller. */
  read(buffer: Buffer, position: number): Promise<number>
  /**
   * Hashes the rest.
   *
   * @throws RegistryError UPSTREAM_INVALID when size or digest are not the expected ones.
   */
  verify(size: number): Promise<void>
  /**
   * Makes the verified bytes durable and visible in one step: all or none of them, whenever the machine
   * stops.
   *
   * @returns the stored descriptor. Bytes that were stored before under a media type keep it.
   */
  commit(): Promise<Descriptor>
  /**
   * Leaves the bytes for a later ingest of this digest, in another process too. Does nothing when the digest
   * is stored.
   */
  keep(): Promise<void>
}

export interface BlobStore<Opened extends OpenedBlob = OpenedBlob> extends BlobProvider<Opened> {
  ingest(expected: ExpectedContent): Promise<BlobIngest>
  /** A digest that is not stored counts as deleted. */
  delete(...digests: readonly Digest[]): Promise<void>
}
