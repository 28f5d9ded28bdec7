import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Digest } from '../../src/oci/digest.ts'
import { type BlobReader, type BlobStore, isInMemory } from '../../src/ports/blob-store.ts'
import type { ImageCatalogue } from '../../src/ports/operations.ts'
import { imagePattern } from '../../src/oci/image-pattern.ts'
import { memoryCache, type MemoryCacheOptions } from '../../src/cache/memory/memory.ts'
import { memoryStore } from '../support/memory-store.ts'
import { blobOf } from '../support/fixtures.ts'
import { readFrom } from '../support/rig.ts'

const app = { upstream: 'docker.io', name: 'library/app' }
const other = { upstream: 'ghcr.io', name: 'library/app' }
const [old, young] = [1, 2].map((seed) => ({ digest: blobOf(10, seed).digest, checkedAt: seed }))
const everything = imagePattern('**')

type Blob = ReturnType<typeof blobOf>

/** A memory cache over a store that records what it is asked, and that can be made to answer late. */
function watched(options: MemoryCacheOptions = {}, rotten = false) {
  const store = memoryStore()
  const opened: Digest[] = []
  const asked: string[] = []
  const used: string[] = []
  const gate = { open: Promise.resolve() }
  const blobs: BlobStore<BlobReader> = {
    ...store.blobs,
    async open(digest) {
      opened.push(digest)
      const reader = await store.blobs.open(digest)
      await gate.open
      return reader && (rotten ? damaging(reader) : reader)
    },
  }
  const catalogue: Pick<ImageCatalogue, 'purge'> = {
    async purge(_, { dryRun }) {
      const kept = await store.inventory.longestUnused({ limit: 999, except: new Set() })
      if (!dryRun) await store.blobs.delete(...kept.map(({ digest }) => digest))
      if (!dryRun) await store.tags.removeUnusedSince(Number.MAX_SAFE_INTEGER)
      return { images: [], pinned: [], objects: kept.length, bytes: 0 }
    },
  }
  const cached = memoryCache(
    {
      ...store,
      blobs,
      catalogue,
      discard: (digest: Digest) => store.blobs.delete(digest),
      inventory: {
        ...store.inventory,
        use: (_: Digest, hit = false) => void used.push(hit ? 'hit' : 'use'),
      },
      links: {
        ...store.links,
        async has(repository, digest) {
          asked.push(`link ${repository.upstream}`)
          const isLinked = await store.links.has(repository, digest)
          await gate.open
          return isLinked
        },
      },
      references: {
        ...store.references,
        async has(manifest) {
          asked.push('references')
          return store.references.has(manifest)
        },
      },
      tags: {
        ...store.tags,
        async get(repository, tag) {
          asked.push(tag)
          const entry = await store.tags.get(repository, tag)
          await gate.open
          return entry
        },
        use(_, tag) {
          asked.push(`use ${tag}`)
        },
      },
    },
    options,
  )
  return { cached, store, opened, asked, used, gate }
}

function damaging(reader: BlobReader): BlobReader {
  return {
    ...reader,
    async read(buffer, position) {
      const count = await reader.read(buffer, position)
      buffer[0]! ^= 1
      return count
    },
  }
}

async function put(store: { blobs: BlobStore }, { bytes, digest }: Blob, mediaType?: string) {
  await using ingest = await store.blobs.ingest({ digest, ...(mediaType !== undefined && { mediaType }) })
  await ingest.write(bytes, 0)
  await ingest.verify(bytes.length)
  await ingest.commit()
}

async function content(store: { blobs: BlobStore }, digest: Digest): Promise<Buffer | undefined> {
  const blob = await store.blobs.open(digest)
  if (blob === undefined) return undefined
  if (isInMemory(blob)) return blob.bytes
  await using reader = blob
  return await readFrom(reader, 0, reader.descriptor.size)
}

const isAtOnce = (answer: unknown): boolean => answer !== undefined && !(answer instanceof Promise)

/** A promise that the gate waits for. */
function close(gate: { open: Promise<void> }): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  gate.open = promise
  return resolve
}

describe('small content in memory', () => {
  test('is read once, then there at once, and its uses are recorded', async () => {
    const { cached, opened, used } = watched()
    const blob = blobOf(2000)
    await put(cached, blob)
    for (let i = 0; i < 3; i++) assert.deepEqual(await content(cached, blob.digest), blob.bytes)
    assert.ok(isAtOnce(cached.blobs.open(blob.digest)))
    assert.ok(isAtOnce(cached.blobs.stat(blob.digest)))
    assert.equal((await cached.blobs.stat(blob.digest))?.size, 2000)
    assert.equal(opened.length, 1)
    assert.deepEqual(used, ['hit', 'hit', 'hit', 'use', 'use'])
  })

  test('large content is read from the store each time', async () => {
    const { cached, opened } = watched()
    const blob = blobOf(64 * 1024 + 1)
    await put(cached, blob)
    for (let i = 0; i < 2; i++) assert.deepEqual(await content(cached, blob.digest), blob.bytes)
    assert.equal(opened.length, 2)
  })

  test('SEC-21 goes with the store’s own, and so does the right to read it', async () => {
    const { cached } = watched()
    const blob = blobOf(2000)
    await put(cached, blob)
    await cached.links.add(app, blob.digest)
    await cached.references.record(blob.digest, [old!.digest])
    await content(cached, blob.digest)
    assert.equal(await cached.links.has(app, blob.digest), true)
    assert.equal(await cached.references.has(blob.digest), true)
    await cached.blobs.delete(blob.digest)
    assert.equal(await content(cached, blob.digest), undefined)
    assert.equal(await cached.blobs.stat(blob.digest), undefined)
    assert.equal(await cached.links.has(app, blob.digest), false)
    assert.equal(await cached.references.has(blob.digest), false)
  })

  test('is not kept when it was deleted while it was read', async () => {
    const { cached, gate } = watched()
    const blob = blobOf(2000)
    await put(cached, blob)
    const open = close(gate)
    const reading = content(cached, blob.digest)
    await cached.blobs.delete(blob.digest)
    open()
    assert.deepEqual(await reading, blob.bytes)
    assert.equal(await content(cached, blob.digest), undefined)
  })

  test('is kept when something else was deleted while it was read', async () => {
    const { cached, gate } = watched()
    const [blob, unrelated] = [blobOf(2000, 1), blobOf(2000, 2)]
    for (const one of [blob, unrelated]) await put(cached, one)
    const open = close(gate)
    const reading = content(cached, blob.digest)
    await cached.blobs.delete(unrelated.digest)
    open()
    await reading
    assert.ok(isAtOnce(cached.blobs.open(blob.digest)))
  })

  test('has the media type it was stored with last', async () => {
    const { cached } = watched()
    const blob = blobOf(2000)
    await put(cached, blob)
    await content(cached, blob.digest)
    await put(cached, blob, 'application/vnd.example+json')
    const again = await cached.blobs.open(blob.digest)
    assert.equal(again?.descriptor.mediaType, 'application/vnd.example+json')
  })

  test('stays within its bytes', async () => {
    const { cached, opened } = watched({ maxBytes: 10_000 })
    const blobs = Array.from({ length: 10 }, (_, i) => blobOf(2000, i))
    for (const blob of blobs) {
      await put(cached, blob)
      await content(cached, blob.digest)
    }
    await content(cached, blobs.at(-1)!.digest)
    assert.equal(opened.length, 10)
    await content(cached, blobs[0]!.digest)
    assert.equal(opened.length, 11)
  })

  test('F65 that is not what its name says is discarded, and a miss', async () => {
    const { cached, store } = watched({}, true)
    const blob = blobOf(2000)
    await put(store, blob)
    assert.equal(await cached.blobs.open(blob.digest), undefined)
    assert.equal(await store.blobs.stat(blob.digest), undefined)
  })

  test('SEC-21 the right to read goes with content that turned out to be damaged', async () => {
    const { cached, store } = watched({}, true)
    const blob = blobOf(2000)
    await put(store, blob)
    await store.links.add(app, blob.digest)
    assert.equal(await cached.links.has(app, blob.digest), true)
    assert.equal(await cached.blobs.open(blob.digest), undefined)
    assert.equal(await cached.links.has(app, blob.digest), false)
  })
})

describe('links in memory', () => {
  test('one that was seen is not asked for again; one that was not is', async () => {
    const { cached, asked } = watched()
    const { digest } = blobOf(10)
    assert.equal(await cached.links.has(app, digest), false)
    await cached.links.add(app, digest)
    for (let i = 0; i < 3; i++) assert.equal(await cached.links.has(app, digest), true)
    assert.equal(cached.links.has(app, digest), true, 'at once')
    assert.deepEqual(asked, ['link docker.io', 'link docker.io'])
  })

  test('SEC-20 are those of one repository of one upstream', async () => {
    const { cached } = watched()
    const { digest } = blobOf(10)
    await cached.links.add(app, digest)
    assert.equal(await cached.links.has(app, digest), true)
    assert.equal(await cached.links.has(other, digest), false)
    assert.equal(await cached.links.has({ ...app, name: 'library/other' }, digest), false)
  })

  test('SEC-21 one that was read while its content was deleted is not kept', async () => {
    const { cached, gate } = watched()
    const blob = blobOf(10)
    await put(cached, blob)
    await cached.links.add(app, blob.digest)
    const open = close(gate)
    const reading = cached.links.has(app, blob.digest)
    await cached.blobs.delete(blob.digest)
    open()
    await reading
    assert.equal(await cached.links.has(app, blob.digest), false)
  })

  test('of more repositories than are remembered start over, and are all right', async () => {
    const { cached } = watched()
    const { digest } = blobOf(10)
    const all = Array.from({ length: 1_200 }, (_, i) => ({ ...app, name: `library/app${i}` }))
    for (const one of all) {
      await cached.links.add(one, digest)
      assert.equal(await cached.links.has(one, digest), true)
    }
    for (const one of all) assert.equal(await cached.links.has(one, digest), true)
    assert.equal(await cached.links.has(other, digest), false)
  })
})

test('that references are recorded is asked once, also of a manifest that has none', async () => {
  const { cached, asked } = watched()
  const blob = blobOf(10)
  await put(cached, blob)
  assert.equal(await cached.references.has(blob.digest), false)
  await cached.references.record(blob.digest, [])
  assert.equal(cached.references.has(blob.digest), true, 'at once')
  assert.deepEqual(asked, ['references'])
})

test('what is in memory is believed for a limited time', async () => {
  const clock = { now: 1_000 }
  const { cached, opened, asked } = watched({ maxAge: 60_000, now: () => clock.now })
  const blob = blobOf(2000)
  await put(cached, blob)
  await cached.links.add(app, blob.digest)
  await cached.tags.set(app, 'latest', old!)
  const all = async () => {
    await content(cached, blob.digest)
    await cached.links.has(app, blob.digest)
    await cached.tags.get(app, 'latest')
  }
  await all()
  clock.now += 59_000
  await all()
  assert.deepEqual([opened.length, asked], [1, ['link docker.io', 'latest', 'use latest']])
  clock.now += 2_000
  await all()
  assert.equal(opened.length, 2)
  assert.deepEqual(asked.slice(3), ['link docker.io', 'latest'])
})

describe('tags in memory', () => {
  test('are asked for once, and the store is told once a second that they are used', async () => {
    const clock = { now: 1_000 }
    const { cached, asked } = watched({ now: () => clock.now })
    await cached.tags.set(app, 'latest', old!)
    assert.deepEqual(await cached.tags.get(app, 'latest'), old)
    const again = (wait: number) => {
      clock.now += wait
      assert.deepEqual(cached.tags.get(app, 'latest'), old, 'at once')
    }
    for (const wait of [0, 999]) again(wait)
    assert.deepEqual(asked, ['latest'])
    for (const wait of [1, 0, 1000, 999]) again(wait)
    assert.deepEqual(asked, ['latest', 'use latest', 'use latest'])
  })

  test('have their own keys, however many are asked for', async () => {
    const { cached, asked } = watched()
    await cached.tags.set(app, 'latest', old!)
    await cached.tags.get(app, 'latest')
    for (let i = 0; i < 10_001; i++) await cached.tags.get(app, `tag-${i}`)
    assert.equal(new Set(asked).size, 10_002)
    assert.deepEqual(cached.tags.get(app, 'latest'), old, 'at once')
  })

  test('SEC-22 are those of one repository of one upstream', async () => {
    const { cached } = watched()
    await cached.tags.set(app, 'latest', old!)
    await cached.tags.get(app, 'latest')
    assert.equal(await cached.tags.get(other, 'latest'), undefined)
  })

  for (const [what, change] of Object.entries<
    (cached: ReturnType<typeof watched>['cached']) => Promise<unknown>
  >({
    moved: ({ tags }) => tags.set(app, 'latest', young!),
    removed: ({ tags }) => tags.remove(app, 'latest'),
    'not used for too long': ({ tags }) => tags.removeUnusedSince(Number.MAX_SAFE_INTEGER),
    purged: ({ catalogue }) => catalogue.purge(everything, { dryRun: false }),
  })) {
    test(`what was ${what} is asked for again`, async () => {
      const { cached, store } = watched()
      await cached.tags.set(app, 'latest', old!)
      await cached.tags.get(app, 'latest')
      await change(cached)
      const again = cached.tags.get(app, 'latest')
      assert.ok(again instanceof Promise)
      assert.deepEqual(await again, await store.tags.get(app, 'latest'))
    })

    test(`what was ${what} while it was read is asked for again`, async () => {
      const { cached, gate } = watched()
      await cached.tags.set(app, 'latest', old!)
      const open = close(gate)
      const reading = cached.tags.get(app, 'latest')
      await change(cached)
      open()
      await reading
      assert.ok(cached.tags.get(app, 'latest') instanceof Promise)
    })
  }
})

test('SEC-21 a purge forgets content and links; one that only says what it would do forgets nothing', async () => {
  const { cached, opened } = watched()
  const blob = blobOf(2000)
  await put(cached, blob)
  await cached.links.add(app, blob.digest)
  await content(cached, blob.digest)
  await cached.links.has(app, blob.digest)
  await cached.catalogue.purge(everything, { dryRun: true })
  assert.ok(isAtOnce(cached.blobs.open(blob.digest)))
  await cached.catalogue.purge(everything, { dryRun: false })
  assert.equal(await content(cached, blob.digest), undefined)
  assert.equal(await cached.links.has(app, blob.digest), false)
  assert.equal(opened.length, 2)
})
