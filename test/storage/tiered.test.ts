/** The store in files with a bucket behind it: a store like the others, and more. */
import { s3Blobs } from '../../src/s3/s3-blobs.ts'
import { S3Client } from '../../src/s3/s3-client.ts'
import { fakeS3, S3_LOGIN } from '../s3/fake-s3.ts'
import { storeSuites } from './suites/store-suites.ts'
import { tieredStore } from './tiered-store.ts'

storeSuites('the store in files with a bucket behind it', async (now) => {
  await using starting = new AsyncDisposableStack()
  const s3 = starting.use(await fakeS3())
  const client = starting.use(
    new S3Client({
      ...S3_LOGIN,
      endpoint: s3.url,
      timeouts: { connect: 1_000, headers: 1_000, idle: 1_000 },
      telemetry: { answered() {} },
    }),
  )
  const store = starting.use(
    await tieredStore(s3Blobs({ client, prefix: '', refusesToOverwrite: () => true }), { now }),
  )
  const resources = starting.move()
  return { ...store, [Symbol.asyncDispose]: () => resources.disposeAsync() }
})
