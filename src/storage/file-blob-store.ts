import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { ContentInventory } from '../oci/indexes.ts'
import type { BlobReader, BlobStore } from '../oci/stores.ts'
import type { StoreTelemetry } from '../oci/telemetry.ts'
import { fileIngest, type FileIngestOptions } from './file-ingest.ts'
import { unlessMissing } from './storage-error.ts'

/** Content as files named by their digest. A file that is not as long as the index says is no content: it is removed, and a miss. */
export function fileBlobStore(
  options: FileIngestOptions & { readonly telemetry: StoreTelemetry },
): BlobStore & ContentInventory {
  const { files, paths, content, attempt, telemetry } = options

  return {
    async stat(digest) {
      const descriptor = await find(digest)
      if (descriptor !== undefined) content.use(digest)
      return descriptor
    },

    async open(digest) {
      const descriptor = await find(digest)
      if (descriptor === undefined) return undefined
      const file = await attempt('open', () => files.open(paths.blob(digest), 'r').catch(unlessMissing))
      if (file !== undefined && (await attempt('open', () => file.size())) === descriptor.size) {
        content.use(digest)
        return reader(descriptor, file)
      }
      await file?.close()
      telemetry.evicted('corrupt')
      await remove(digest)
      return undefined
    },

    ingest: (expected) => fileIngest(expected, options),

    delete: remove,

    usage: () =>
      attempt('usage', async () => ({ ...content.totals, freeBytes: await files.freeBytes(paths.root) })),

    leastRecentlyUsed: (limit) => content.leastRecentlyUsed(limit),
  }

  async function find(digest: Digest): Promise<Descriptor | undefined> {
    const row = await attempt('index', async () => content.find(digest))
    return row && { mediaType: row.mediaType, digest, size: row.size }
  }

  /** The row goes first: a file without a row is found again at the next rebuild, a row without a file would be a lie. */
  async function remove(digest: Digest): Promise<void> {
    await content.remove(digest)
    await attempt('delete', () => files.remove(paths.blob(digest)))
  }

  function reader(descriptor: Descriptor, file: Awaited<ReturnType<typeof files.open>>): BlobReader {
    let closing: Promise<void> | undefined
    return {
      descriptor,
      read: (buffer, position) => attempt('read', () => file.read(buffer, position)),
      async [Symbol.asyncDispose]() {
        closing ??= file.close()
        await closing
      },
    }
  }
}
