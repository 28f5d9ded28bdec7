/** The store in files with a bucket behind it: a store like the others, and more. */
import { join } from 'node:path'
import { tieredBlobStore } from '../../src/cache/tiered-blob-store.ts'
import { DownloadManager } from '../../src/download/manager.ts'
import type { BlobReader, BlobStore } from '../../src/ports/blob-store.ts'
import { s3Blobs } from '../../src/s3/s3-blobs.ts'
import { S3Client } from '../../src/s3/s3-client.ts'
import { realFiles } from '../../src/storage/files.ts'
import { openUploads } from '../../src/storage/uploads.ts'
import { fakeS3, S3_LOGIN } from '../s3/fake-s3.ts'
import { storeFolder } from './setup.ts'
import { ingestSuite } from './suites/ingest-suite.ts'
import { inventorySuite } from './suites/inventory-suite.ts'
import { namesSuite } from './suites/names-suite.ts'
import { resumeSuite } from './suites/resume-suite.ts'
import type { OpenStore } from './suites/store-under-test.ts'

const open: OpenStore = async (now) => {
  await using starting = new AsyncDisposableStack()
  const s3 = starting.use(await fakeS3())
  const folder = starting.use(await storeFolder())
  const store = starting.use(await folder.open({ now }))
  const client = starting.use(
    new S3Client({
      ...S3_LOGIN,
      endpoint: s3.url,
      timeouts: { connect: 1_000, headers: 1_000, idle: 1_000 },
      telemetry: { answered() {} },
    }),
  )
  const remote = s3Blobs({ client, prefix: '', refusesToOverwrite: () => true })
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
  // Without a memory tier there are only readers.
  return {
    ...store,
    blobs: blobs as BlobStore<BlobReader>,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

for (const suite of [ingestSuite, resumeSuite, inventorySuite, namesSuite])
  suite('the store in files with a bucket behind it', open)
