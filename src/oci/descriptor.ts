import type { Digest } from './digest.ts'

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
}
