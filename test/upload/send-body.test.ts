import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BlobReader } from '../../src/ports/blob-store.ts'
import { chunkOf } from '../../src/upload/send-body.ts'
import { blobOf } from '../support/fixtures.ts'

test('a blob that is opened after its upload was cancelled is closed', async () => {
  const { bytes, digest } = blobOf(1000)
  const opening = Promise.withResolvers<BlobReader>()
  const closed = Promise.withResolvers<void>()
  const repository = 'docker.io/library/app'
  const chunk = chunkOf(
    { open: () => opening.promise, digest, repository, pace: undefined },
    { start: 0, end: bytes.length },
    () => {},
  )
  const cancel = new AbortController()
  const reading = chunk.read(cancel.signal)[Symbol.asyncIterator]().next()
  cancel.abort(new Error('cancelled'))
  await assert.rejects(reading, /cancelled/)
  opening.resolve({
    descriptor: { digest, size: bytes.length, mediaType: 'application/octet-stream' },
    read: () => Promise.resolve(0),
    [Symbol.asyncDispose]: async () => closed.resolve(),
  })
  await closed.promise
})
