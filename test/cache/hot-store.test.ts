import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Digest } from '../../src/oci/digest.ts'
import type { BlobStore } from '../../src/ports/blob-store.ts'
import { hotLinks } from '../../src/cache/hot-links.ts'
import { hotStore } from '../../src/cache/hot-store.ts'
import { memoryStore } from '../support/memory-store.ts'
import { blobOf } from '../support/fixtures.ts'

/** A store that counts how often it is opened, and may be made to wait with it. */
function counted(budget?: number) {
  const memory = memoryStore()
  const opened: Digest[] = []
  const used: Digest[] = []
  const gate = { open: Promise.resolve() }
  const cold: BlobStore = {
    ...memory.blobs,
    async open(digest) {
      opened.push(digest)
      const reader = await memory.blobs.open(digest)
      await gate.open
      return reader
    },
  }
  const hot = hotStore(cold, {
    used: (digest) => used.push(digest),
    discard: (digest) => assert.fail(`${digest} is not damaged`),
    ...(budget !== undefined && { budget }),
  })
  return { hot, cold, opened, used, gate }
}

async function put(store: BlobStore, { bytes, digest }: ReturnType<typeof blobOf>, mediaType?: string) {
  await using ingest = await store.ingest({ digest, ...(mediaType !== undefined && { mediaType }) })
  await ingest.write(bytes, 0)
  await ingest.verify(bytes.length)
  await ingest.commit()
}

async function content(store: BlobStore, digest: Digest): Promise<Buffer | undefined> {
  await using reader = await store.open(digest)
  if (reader === undefined) return undefined
  const buffer = Buffer.alloc(reader.descriptor.size)
  for (let at = 0; at < buffer.length;) at += await reader.read(buffer.subarray(at), at)
  return buffer
}

describe('small content in memory', () => {
  test('is read once, and its uses are told', async () => {
    const { hot, opened, used } = counted()
    const blob = blobOf(2000)
    await put(hot, blob)
    for (let i = 0; i < 3; i++) assert.deepEqual(await content(hot, blob.digest), blob.bytes)
    assert.equal((await hot.stat(blob.digest))?.size, 2000)
    assert.equal(opened.length, 1)
    assert.equal(used.length, 3)
  })

  test('large content is read from the store each time', async () => {
    const { hot, opened } = counted()
    const blob = blobOf(64 * 1024 + 1)
    await put(hot, blob)
    for (let i = 0; i < 2; i++) assert.deepEqual(await content(hot, blob.digest), blob.bytes)
    assert.equal(opened.length, 2)
  })

  test('goes with the store’s own', async () => {
    const { hot } = counted()
    const blob = blobOf(2000)
    await put(hot, blob)
    await content(hot, blob.digest)
    await hot.delete(blob.digest)
    assert.equal(await content(hot, blob.digest), undefined)
    assert.equal(await hot.stat(blob.digest), undefined)
  })

  test('is not kept when it was deleted while it was read', async () => {
    const { hot, gate } = counted()
    const blob = blobOf(2000)
    await put(hot, blob)
    const { promise, resolve } = Promise.withResolvers<void>()
    gate.open = promise
    const reading = content(hot, blob.digest)
    await hot.delete(blob.digest)
    resolve()
    assert.deepEqual(await reading, blob.bytes)
    assert.equal(await content(hot, blob.digest), undefined)
  })

  test('has the media type it was stored with last', async () => {
    const { hot } = counted()
    const blob = blobOf(2000)
    await put(hot, blob)
    await content(hot, blob.digest)
    await put(hot, blob, 'application/vnd.example+json')
    await using reader = await hot.open(blob.digest)
    assert.equal(reader?.descriptor.mediaType, 'application/vnd.example+json')
  })

  test('stays within its budget', async () => {
    const { hot, opened } = counted(10_000)
    const blobs = Array.from({ length: 10 }, (_, i) => blobOf(2000, i))
    for (const blob of blobs) {
      await put(hot, blob)
      await content(hot, blob.digest)
    }
    await content(hot, blobs.at(-1)!.digest)
    assert.equal(opened.length, 10)
    await content(hot, blobs[0]!.digest)
    assert.equal(opened.length, 11)
  })

  test('F65 that is not what its name says is discarded, and a miss', async () => {
    const { cold } = counted()
    const blob = blobOf(2000)
    await put(cold, blob)
    const rotten: BlobStore = {
      ...cold,
      async open(digest) {
        const reader = await cold.open(digest)
        return (
          reader && {
            ...reader,
            async read(buffer, position) {
              const count = await reader.read(buffer, position)
              buffer[0]! ^= 1
              return count
            },
          }
        )
      },
    }
    const hot = hotStore(rotten, { used() {}, discard: (digest) => cold.delete(digest) })
    assert.equal(await hot.open(blob.digest), undefined)
    assert.equal(await cold.stat(blob.digest), undefined)
  })
})

test('a link that was seen is not asked for again until it is removed; one that was not is', async () => {
  const { links } = memoryStore()
  const asked: string[] = []
  const hot = hotLinks({
    ...links,
    has(repository, digest) {
      asked.push(repository.name)
      return links.has(repository, digest)
    },
  })
  const repository = { upstream: 'docker.io', name: 'library/app' }
  const { digest } = blobOf(10)
  assert.equal(await hot.has(repository, digest), false)
  await hot.add(repository, digest)
  for (let i = 0; i < 3; i++) assert.equal(await hot.has(repository, digest), true)
  assert.equal(asked.length, 2)
  assert.equal(await hot.has({ ...repository, name: 'library/other' }, digest), false)
  await hot.remove(repository, digest)
  assert.equal(await hot.has(repository, digest), false)
})
