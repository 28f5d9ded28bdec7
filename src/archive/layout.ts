import { algorithmOf, type Digest, hexOf, isDigest } from '../oci/digest.ts'

/** Names and annotations of an OCI layout (image-spec v1.1 image-layout.md), as engines read them. */

export const LAYOUT_FILE = 'oci-layout'
export const INDEX_FILE = 'index.json'
/** Entries of the index that are written: images, and what refers to them. */
export const MOST_ENTRIES = 10_000
/** Bytes of the index. */
export const LONGEST_INDEX = 4 * 1024 * 1024
/** What `docker save` writes, and what `docker load` of a graph driver reads. */
export const DOCKER_FILE = 'manifest.json'

/** containerd: the full name that an entry of the index is imported under. */
export const NAME = 'io.containerd.image.name'
/** image-spec annotations.md: the tag. skopeo and oras select by it. */
export const REF_NAME = 'org.opencontainers.image.ref.name'
/** Ours, on the index: the archive was written by Entrepot, and lacks only what it says. */
export const FORMAT = 'io.entrepot.archive'
/** Ours, on the index: an increment leaves out what the images had then. */
export const SINCE = 'io.entrepot.archive.since'
/** Ours, on the index: bytes of the blobs, of all and by upstream, so that a reader knows before the first one. */
export const BYTES = 'io.entrepot.archive.bytes'
/** Ours, on an entry: when upstream was asked for the tag. */
export const CHECKED = 'io.entrepot.image.checked'
/** Ours, on an entry: the platforms that were exported, when not all were. */
export const PLATFORMS = 'io.entrepot.image.platforms'
/** Ours, on an entry without a name: the repository of what refers to an image. */
export const REPOSITORY = 'io.entrepot.image.repository'

export type Annotations = Readonly<Record<string, string>>

/** An entry of `index.json`. */
export interface LayoutEntry {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly annotations?: Annotations
}

export function blobFile(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`
}

/** @returns undefined for a file that is no blob */
export function digestOfFile(name: string): Digest | undefined {
  const [, algorithm, hex] = /^blobs\/([a-z0-9]+)\/([a-f0-9]+)$/.exec(name) ?? []
  const digest = `${algorithm}:${hex}`
  return isDigest(digest) ? digest : undefined
}
