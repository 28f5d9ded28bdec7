import { join } from 'node:path'
import { tieredBlobStore } from '../../src/cache/tiered-blob-store.ts'
import { DownloadManager } from '../../src/download/manager.ts'
import type { BlobReader, BlobStore } from '../../src/ports/blob-store.ts'
import type { RemoteBlobs } from '../../src/ports/remote-blobs.ts'
import { realFiles } from '../../src/storage/files.ts'
import { openUploads } from '../../src/storage/uploads.ts'
import type { FilesystemStoreOptions } from '../../src/storage/filesystem-store.ts'
import { type OpenStore, type StoreFolder, storeFolder } from './setup.ts'

export type TieredStore = Omit<OpenStore, 'failed' | 'evicted'>

/** The store in files with `remote` behind it, in a folder of its own unless one is given. */
export async function tieredStore(
  remote: RemoteBlobs,
  options: Partial<FilesystemStoreOptions>,
  given?: StoreFolder,
): Promise<TieredStore> {
  await using starting = new AsyncDisposableStack()
  const folder = given ?? starting.use(await storeFolder())
  const store = starting.use(await folder.open(options))
  const uploads = starting.use(
    await openUploads({
      files: realFiles(),
      folder: join(folder.path, 'uploads'),
      open: store.peek,
      remote,
      failed: (_, error) => Promise.reject(error),
      changed() {},
    }),
  )
  const fills = starting.use(
    new DownloadManager({
      store: store.blobs,
      policy: { connections: 4, segmentAbove: 1e9, finishFrom: 0.25, finishBelow: 1e8, retryDelay: 20 },
      queues: () => ({ places: 16, queueLength: 100, queueTimeout: 1_000 }),
      telemetry: { running() {}, waiting() {}, resumed() {} },
      failed() {},
      now: () => performance.now(),
    }),
  )
  const blobs = tieredBlobStore({
    tier: store.blobs,
    remote,
    fills,
    committed: ({ digest }) => uploads.add(digest),
    deleting: uploads.cancel,
    damaged: (digest) => remote.delete(digest),
    redirected() {},
    remoteFailed(error) {
      throw error
    },
  })
  const resources = starting.move()
  return {
    ...store,
    // Without a memory tier there are only readers.
    blobs: blobs as BlobStore<BlobReader>,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}
