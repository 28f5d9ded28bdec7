import type { BlobStore } from './ports/blob-store.ts'
import type { LinkIndex } from './ports/metadata.ts'
import type { V1Index, V1Store } from './ports/v1-images.ts'

export interface V1StoreParts {
  readonly index: V1Index
  readonly links: LinkIndex
  /** Asked each time: upstreams are opened before what makes room for their content. */
  readonly blobs: () => BlobStore
}

/** Where images of the first protocol are kept. */
export function v1Store({ index, links, blobs }: V1StoreParts): V1Store {
  return {
    index,
    blobs: {
      ingest: (expected) => blobs().ingest(expected),
      stat: (digest) => blobs().stat(digest),
    },
    grant: (repository, digest) => links.add(repository, digest),
  }
}
