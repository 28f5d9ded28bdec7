import { readContent } from './cache/memory/read-content.ts'
import type { Digest } from './oci/digest.ts'
import { partsIn } from './oci/manifest-parts.ts'
import { type BlobStore, isInMemory } from './ports/blob-store.ts'
import type { RunningTransfer } from './ports/insight/insight.ts'
import type { LinkIndex } from './ports/metadata.ts'
import type { V1Index, V1Store } from './ports/v1-images.ts'

export interface V1StoreParts {
  readonly index: V1Index
  readonly links: LinkIndex
  /** Asked each time: upstreams are opened before what makes room for their content. */
  readonly blobs: () => BlobStore
}

/** Where images of the first protocol are kept. */
export function v1Store({ index, links, blobs }: V1StoreParts): V1Store & {
  /** The layers that are being taken. */
  transfers(): readonly RunningTransfer[]
} {
  const running = new Set<() => RunningTransfer>()
  return {
    index,
    blobs: {
      ingest: (expected) => blobs().ingest(expected),
      stat: (digest) => blobs().stat(digest),
    },
    isComplete: (manifest) => isComplete(blobs(), manifest),
    grant: (repository, digest) => links.add(repository, digest),
    watch(progress) {
      running.add(progress)
      return { [Symbol.dispose]: () => void running.delete(progress) }
    },
    transfers: () => [...running].map((progress) => progress()),
  }
}

async function isComplete(blobs: BlobStore, manifest: Digest): Promise<boolean> {
  const opened = await blobs.open(manifest)
  const content = opened === undefined || isInMemory(opened) ? opened : await readContent(opened)
  if (content === undefined) return false
  for (const { digest } of partsIn(content.bytes).content)
    if ((await blobs.stat(digest)) === undefined) return false
  return true
}
