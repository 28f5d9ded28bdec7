import type { Digest } from './digest.ts'
import type { PackedLines } from './packed-lines.ts'

/** What identifies content: image-spec v1.1 descriptor.md. `size` is in bytes. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}

/** Verified, and small enough to be in memory. */
export interface Content {
  readonly descriptor: Descriptor
  readonly bytes: Buffer
}

/** A manifest as it travelled: the bytes are never re-serialised, their hash is `descriptor.digest`. */
export interface Manifest {
  readonly descriptor: Descriptor
  readonly body: Buffer
  /** Where the body was parsed already. Otherwise `referencesIn` reads them. */
  readonly references?: ManifestReferences
}

/** Few digests in any order, or packed ones, in lexical order and each once. */
export type DigestList = readonly Digest[] | PackedLines<Digest>

export interface ManifestReferences {
  /**
   * With how long they are: config, layers, and the blobs of an artifact (image-spec v1.1 manifest.md,
   * v1.1.0-rc2 artifact.md).
   */
  readonly blobs: Iterable<Pick<Descriptor, 'digest' | 'size'>>
  /**
   * All that an image needs: those, the manifests of an index, the layers of a schema 1 manifest. Not its
   * `subject`.
   */
  readonly digests: DigestList
}
