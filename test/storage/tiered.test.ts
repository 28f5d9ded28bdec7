/** The store in files with a bucket behind it: a store like the others, and more. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OCTET_STREAM } from '../../src/oci/media-types.ts'
import type { RemoteBlobs } from '../../src/ports/remote-blobs.ts'
import { s3Blobs } from '../../src/s3/s3-blobs.ts'
import { S3Client } from '../../src/s3/s3-client.ts'
import { fakeS3, S3_LOGIN } from '../s3/fake-s3.ts'
import { blobOf } from '../support/fixtures.ts'
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

test('readers of a blob on its way from the bucket share its pieces, and lend them', async () => {
  const content = blobOf(1_000_000, 3)
  const gate = Promise.withResolvers<void>()
  const remote: RemoteBlobs = {
    stat: async (digest) =>
      digest === content.digest ? { digest, size: content.bytes.length, mediaType: OCTET_STREAM } : undefined,
    async open(_, range) {
      const start = range?.start ?? 0
      return {
        start,
        total: content.bytes.length,
        ranges: true,
        async *[Symbol.asyncIterator]() {
          yield content.bytes.subarray(start, 500_000)
          await gate.promise
          yield content.bytes.subarray(500_000)
        },
      }
    },
    locate: () => assert.fail(),
    put: () => assert.fail(),
    touch: async () => {},
    delete: async () => {},
    list: () => assert.fail(),
  }
  await using store = await tieredStore(remote, {})
  await using one = (await store.blobs.open(content.digest))!
  await using other = (await store.blobs.open(content.digest))!
  assert.equal(typeof one.sharing?.key, 'string')
  assert.equal(one.sharing?.key, other.sharing?.key)
  assert.equal(typeof one.lend, 'function')
  gate.resolve()
  const read = Buffer.alloc(content.bytes.length)
  for (let end = 0, count; end < read.length; end += count) count = await one.read(read.subarray(end), end)
  assert.ok(read.equals(content.bytes))
})
