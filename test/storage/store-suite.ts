/** What every store has to do, whatever it keeps its bytes in. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { type Digest, digestOf, parseDigest } from '../../src/oci/digest.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import type { ContentInventory, LinkIndex, TagHistory, TagIndex } from '../../src/ports/metadata.ts'
import { OCI_MANIFEST, OCTET_STREAM } from '../../src/oci/media-types.ts'
import type { BlobStore } from '../../src/ports/blob-store.ts'
import { type Blob, blobOf } from '../support/fixtures.ts'
import { readFrom } from '../support/rig.ts'

export interface StoreUnderTest extends AsyncDisposable {
  readonly blobs: BlobStore
  readonly inventory: ContentInventory
  readonly links: LinkIndex
  readonly tags: TagIndex & TagHistory
}

const NOTHING: ReadonlySet<Digest> = new Set()
const a = { upstream: 'docker.io', name: 'library/a' }
const b = { upstream: 'ghcr.io', name: 'library/a' }

/** `open` makes an empty store whose clock is `now`. */
export function storeSuite(name: string, open: (now: () => number) => Promise<StoreUnderTest>): void {
  suite(name, () => {
    const opened = () => open(Date.now)

    test('content is there after its commit, and not before', async () => {
      await using store = await opened()
      const { bytes, digest } = blobOf(200_000)
      await using ingest = await store.blobs.ingest({ digest, size: bytes.length })
      await ingest.write(bytes, 0)
      assert.equal(await store.blobs.stat(digest), undefined)
      await ingest.verify(bytes.length)
      assert.equal(await store.blobs.open(digest), undefined)
      const descriptor = { mediaType: OCTET_STREAM, digest, size: bytes.length }
      assert.deepEqual(await ingest.commit(), descriptor)
      assert.deepEqual(await store.blobs.stat(digest), descriptor)
      await using reader = (await store.blobs.open(digest))!
      assert.deepEqual(reader.descriptor, descriptor)
      assert.deepEqual(await readFrom(reader, 0, bytes.length), bytes)
      assert.deepEqual(await readFrom(reader, 199_990, 200_000), bytes.subarray(199_990))
      assert.equal(await reader.read(Buffer.alloc(10), bytes.length), 0)
    })

    test('what was committed stays readable through its ingest', async () => {
      await using store = await opened()
      const { bytes, digest } = blobOf(1000)
      await using ingest = await put(store, { bytes, digest })
      const buffer = Buffer.alloc(1000)
      assert.equal(await ingest.read(buffer, 0), 1000)
      assert.deepEqual(buffer, bytes)
    })

    test('empty content, sha512 and a media type are kept as they are', async () => {
      await using store = await opened()
      const empty = { bytes: Buffer.alloc(0), digest: digestOf(Buffer.alloc(0)) }
      await (await put(store, empty))[Symbol.asyncDispose]()
      assert.equal((await store.blobs.stat(empty.digest))?.size, 0)
      const { bytes } = blobOf(1000)
      const digest = digestOf(bytes, parseDigest(`sha512:${'0'.repeat(128)}`))
      await (await put(store, { bytes, digest }, OCI_MANIFEST))[Symbol.asyncDispose]()
      assert.deepEqual(await store.blobs.stat(digest), { mediaType: OCI_MANIFEST, digest, size: 1000 })
      assert.equal(await store.blobs.stat(digestOf(bytes)), undefined)
    })

    test('SEC-23 wrong bytes, too few and too many are refused, and leave nothing', async () => {
      await using store = await opened()
      const { bytes, digest } = blobOf(1000)
      const flipped = Buffer.from(bytes)
      flipped[500]! ^= 1
      for (const wrong of [flipped, bytes.subarray(1), Buffer.concat([bytes, bytes])]) {
        await using ingest = await store.blobs.ingest({ digest })
        await ingest.write(wrong, 0)
        await assert.rejects(ingest.verify(wrong.length), (error) =>
          isRegistryError(error, 'UPSTREAM_INVALID'),
        )
        await assert.rejects(ingest.commit())
      }
      assert.equal(await store.blobs.stat(digest), undefined)
      await (await put(store, { bytes, digest }))[Symbol.asyncDispose]()
      assert.ok(await store.blobs.stat(digest))
    })

    test('a byte that is there is not written again', async () => {
      await using store = await opened()
      const { bytes, digest } = blobOf(10_000)
      await using ingest = await store.blobs.ingest({ digest })
      assert.equal(await ingest.write(bytes.subarray(0, 6000), 0), 6000)
      assert.equal(await ingest.write(Buffer.alloc(4000), 1000), 0)
      assert.equal(await ingest.write(bytes.subarray(5000), 5000), 4000)
      await ingest.verify(10_000)
      await ingest.commit()
    })

    test('bytes may come in any order, in pieces that overlap', async () => {
      await using store = await opened()
      const piece = fc.record({ at: fc.nat(9_999), length: fc.integer({ min: 1, max: 3_000 }) })
      let seed = 100
      await fc.assert(
        fc.asyncProperty(fc.array(piece, { maxLength: 20 }), async (pieces) => {
          const { bytes, digest } = blobOf(10_000, ++seed)
          await using ingest = await store.blobs.ingest({ digest })
          await Promise.all(pieces.map(({ at, length }) => ingest.write(bytes.subarray(at, at + length), at)))
          for (let gap = ingest.filled.firstGap(0, 10_000); gap; gap = ingest.filled.firstGap(0, 10_000)) {
            await ingest.write(bytes.subarray(gap.start, gap.end), gap.start)
          }
          await ingest.verify(10_000)
          await ingest.commit()
          await using reader = (await store.blobs.open(digest))!
          assert.deepEqual(await readFrom(reader, 0, 10_000), bytes)
        }),
        { numRuns: 50 },
      )
    })

    test('kept bytes are continued from', async () => {
      await using store = await opened()
      const { bytes, digest } = blobOf(10_000)
      const first = await store.blobs.ingest({ digest })
      await first.write(bytes.subarray(0, 4000), 0)
      await first.write(bytes.subarray(6000, 7000), 6000)
      await first.keep()
      await first[Symbol.asyncDispose]()
      await using second = await store.blobs.ingest({ digest })
      assert.deepEqual(
        [...second.filled],
        [
          { start: 0, end: 4000 },
          { start: 6000, end: 7000 },
        ],
      )
      await second.write(bytes, 0)
      await second.verify(10_000)
      await second.commit()
    })

    for (const order of ['before', 'after']) {
      test(`what was kept unverified is not continued from once the content was stored ${order} that`, async () => {
        await using store = await opened()
        const { bytes, digest } = blobOf(10_000)
        const [kept, whole] = [await store.blobs.ingest({ digest }), await store.blobs.ingest({ digest })]
        await kept.write(Buffer.alloc(4000), 0)
        await whole.write(bytes, 0)
        await whole.verify(10_000)
        if (order === 'before') await whole.commit()
        await kept.keep()
        if (order === 'after') await whole.commit()
        await kept[Symbol.asyncDispose]()
        await whole[Symbol.asyncDispose]()
        await store.blobs.delete(digest)
        await using later = await store.blobs.ingest({ digest })
        assert.deepEqual([...later.filled], [])
      })
    }

    test('an ingest that is dropped leaves nothing to continue from', async () => {
      await using store = await opened()
      const { bytes, digest } = blobOf(10_000)
      const first = await store.blobs.ingest({ digest })
      await first.write(bytes.subarray(0, 4000), 0)
      await first[Symbol.asyncDispose]()
      await using second = await store.blobs.ingest({ digest })
      assert.deepEqual([...second.filled], [])
    })

    test('two ingests of the same content do not disturb each other', async () => {
      await using store = await opened()
      const { bytes, digest } = blobOf(10_000)
      await using first = await store.blobs.ingest({ digest })
      await first.write(bytes.subarray(0, 4000), 0)
      await (await put(store, { bytes, digest }))[Symbol.asyncDispose]()
      await first.write(bytes.subarray(4000), 4000)
      await first.verify(10_000)
      await first.commit()
      assert.deepEqual((await store.inventory.usage()).objects, 1)
      assert.deepEqual((await store.inventory.usage()).bytes, 10_000)
    })

    test('F70 what is deleted while it is read is read to its end', async () => {
      await using store = await opened()
      const { bytes, digest } = blobOf(10_000)
      await (await put(store, { bytes, digest }))[Symbol.asyncDispose]()
      await using reader = (await store.blobs.open(digest))!
      await store.blobs.delete(digest)
      assert.equal(await store.blobs.open(digest), undefined)
      assert.deepEqual(await readFrom(reader, 0, 10_000), bytes)
      await store.blobs.delete(digest)
    })

    test('the inventory counts, and hands out the longest unused first, small and other content apart', async () => {
      let now = 1_000_000
      await using store = await open(() => now)
      const [one, two, three, large] = [blobOf(100, 1), blobOf(200, 2), blobOf(300, 3), blobOf(70_000, 4)]
      for (const blob of [one, two, three, large]) {
        await (await put(store, blob))[Symbol.asyncDispose]()
        now += 1000
      }
      await store.links.add(a, two.digest)
      await store.links.add({ ...a, name: 'library/b' }, two.digest)
      await store.blobs.stat(one.digest)
      const [second, third, fourth] = [
        { digest: two.digest, size: 200, lastUsed: 1_001_000, upstreams: ['docker.io'] },
        { digest: three.digest, size: 300, lastUsed: 1_002_000, upstreams: [] },
        { digest: large.digest, size: 70_000, lastUsed: 1_003_000, upstreams: [] },
      ]
      const { inventory } = store
      assert.deepEqual(await inventory.longestUnused({ limit: 2, except: NOTHING }), [fourth, second, third])
      const except = new Set([two.digest, large.digest])
      assert.deepEqual((await inventory.longestUnused({ limit: 1, except }))[0], third)
      const { objects, bytes, freeBytes } = await inventory.usage()
      assert.deepEqual({ objects, bytes }, { objects: 4, bytes: 70_600 })
      assert.ok(freeBytes > 0)
      await store.blobs.delete(two.digest, large.digest, blobOf(5).digest)
      assert.equal((await inventory.usage()).bytes, 400)
    })

    test('what was not used, or not fetched, since an instant is found', async () => {
      let now = 1_000_000
      await using store = await open(() => now)
      const [one, two] = [blobOf(100, 1), blobOf(70_000, 2)]
      await (await put(store, one))[Symbol.asyncDispose]()
      now += 1000
      await (await put(store, two))[Symbol.asyncDispose]()
      now += 1000
      await store.blobs.stat(one.digest)
      const older = async (instant: number, by: 'use' | 'fetch', except = NOTHING) =>
        (await store.inventory.olderThan(instant, by, { limit: 9, except })).map(({ digest }) => digest)
      assert.deepEqual(await older(1_001_000, 'use'), [])
      assert.deepEqual(await older(1_001_001, 'use'), [two.digest])
      assert.deepEqual(await older(1_000_000, 'fetch'), [])
      assert.deepEqual(await older(1_000_001, 'fetch'), [one.digest])
      assert.deepEqual(await older(9_999_999, 'fetch', new Set([one.digest])), [two.digest])
    })

    test('what vanished upstream is handed out when there is nothing else, until a tag points to it again', async () => {
      await using store = await opened()
      const [gone, other] = [blobOf(100, 1), blobOf(100, 2)]
      for (const blob of [gone, other]) await (await put(store, blob))[Symbol.asyncDispose]()
      const entry = { digest: gone.digest, checkedAt: 1 }
      const first = async () =>
        (await store.inventory.longestUnused({ limit: 9, except: NOTHING })).map(({ digest }) => digest)
      await store.tags.set(a, 'latest', entry)
      await store.tags.remove(a, 'latest')
      await store.tags.remove(a, 'latest')
      assert.deepEqual(await first(), [other.digest])
      await store.blobs.delete(other.digest)
      assert.deepEqual(await first(), [gone.digest])
      await (await put(store, other))[Symbol.asyncDispose]()
      await store.tags.set(a, 'stable', entry)
      assert.equal((await first()).length, 2)
    })

    test('SEC-20 an unfinished download is continued from by the origin that sent it, and by no other', async () => {
      await using store = await opened()
      const { bytes, digest } = blobOf(10_000)
      const begin = async (origin: string | undefined, count: number) => {
        const ingest = await store.blobs.ingest({ digest, ...(origin !== undefined && { origin }) })
        const { size } = ingest.filled
        await ingest.write(bytes.subarray(0, count), 0)
        await ingest.keep()
        await ingest[Symbol.asyncDispose]()
        return size
      }
      assert.equal(await begin('docker.io', 4000), 0)
      assert.equal(await begin('evil.example', 100), 0)
      assert.equal(await begin(undefined, 10), 0)
      assert.equal(await begin('docker.io', 5000), 4000)
      assert.equal(await begin('evil.example', 200), 100)
      assert.equal(await begin(undefined, 20), 10)
    })

    test('links are of one repository of one upstream, and go with the content', async () => {
      await using store = await opened()
      const { bytes, digest } = blobOf(100)
      await (await put(store, { bytes, digest }))[Symbol.asyncDispose]()
      await store.links.add(a, digest)
      await store.links.add(a, digest)
      assert.equal(await store.links.has(a, digest), true)
      assert.equal(await store.links.has(b, digest), false)
      assert.equal(await store.links.knows(a.upstream, digest), true)
      assert.equal(await store.links.knows(b.upstream, digest), false)
      assert.equal(await store.links.knows('docker', digest), false)
      await store.links.add(b, digest)
      await store.links.remove(a, digest)
      assert.equal(await store.links.has(a, digest), false)
      assert.equal(await store.links.has(b, digest), true)
      await store.blobs.delete(digest)
      assert.equal(await store.links.has(b, digest), false)
      assert.equal(await store.links.knows(b.upstream, digest), false)
    })

    test('SEC-22 tags are of one repository of one upstream', async () => {
      await using store = await opened()
      const { digest } = blobOf(100)
      await store.tags.set(a, 'latest', { digest, checkedAt: 5 })
      assert.deepEqual(await store.tags.get(a, 'latest'), { digest, checkedAt: 5 })
      assert.equal(await store.tags.get(b, 'latest'), undefined)
      assert.equal(await store.tags.get(a, 'other'), undefined)
      await store.tags.set(a, 'latest', { digest: blobOf(101).digest, checkedAt: 6 })
      assert.equal((await store.tags.get(a, 'latest'))?.checkedAt, 6)
      await store.tags.remove(a, 'latest')
      assert.equal(await store.tags.get(a, 'latest'), undefined)
    })

    test('tags that nobody asked for are forgotten', async () => {
      let now = 1_000_000
      await using store = await open(() => now)
      const entry = { digest: blobOf(100).digest, checkedAt: now }
      await store.tags.set(a, 'old', entry)
      await store.tags.set(a, 'used', entry)
      now += 10_000
      await store.tags.get(a, 'used')
      await store.tags.set(a, 'new', entry)
      assert.equal(await store.tags.removeUnusedSince(now - 5_000), 1)
      assert.equal(await store.tags.get(a, 'old'), undefined)
      assert.ok(await store.tags.get(a, 'used'))
      assert.ok(await store.tags.get(a, 'new'))
    })

    test('a tag has a history of what it pointed to, the newest first', async () => {
      await using store = await opened()
      const [one, two] = [blobOf(1).digest, blobOf(2).digest]
      const seen = [one, one, two, one]
      for (const [at, digest] of seen.entries()) await store.tags.set(a, 'latest', { digest, checkedAt: at })
      await store.tags.remove(a, 'latest')
      await store.tags.set(a, 'latest', { digest: one, checkedAt: 9 })
      assert.deepEqual(await store.tags.history(a, 'latest'), [
        { at: 3, digest: one },
        { at: 2, digest: two },
        { at: 0, digest: one },
      ])
      assert.deepEqual(await store.tags.history(b, 'latest'), [])
    })

    test('of the history of a tag the last hundred changes stay', async () => {
      await using store = await opened()
      for (let at = 0; at < 150; at++) {
        await store.tags.set(a, 'nightly', { digest: blobOf(4, at).digest, checkedAt: at })
      }
      const history = await store.tags.history(a, 'nightly')
      assert.deepEqual(
        history.map(({ at }) => at),
        Array.from({ length: 100 }, (_, i) => 149 - i),
      )
    })

    test('the history of tags that are gone is forgotten in time', async () => {
      let now = 1_000
      await using store = await open(() => now)
      const entry = (size: number) => ({ digest: blobOf(size).digest, checkedAt: now })
      for (const tag of ['deleted', 'unused', 'used']) await store.tags.set(a, tag, entry(1))
      await store.tags.remove(a, 'deleted')
      now = 2_000
      await store.tags.get(a, 'used')
      await store.tags.removeUnusedSince(500)
      assert.equal((await store.tags.history(a, 'deleted')).length, 1)
      await store.tags.removeUnusedSince(1_500)
      assert.deepEqual(await store.tags.history(a, 'deleted'), [])
      assert.deepEqual(await store.tags.history(a, 'unused'), [])
      assert.equal((await store.tags.history(a, 'used')).length, 1)
    })
  })
}

async function put({ blobs }: StoreUnderTest, { bytes, digest }: Blob, mediaType?: string) {
  const ingest = await blobs.ingest({
    digest,
    size: bytes.length,
    ...(mediaType !== undefined && { mediaType }),
  })
  await ingest.write(bytes, 0)
  await ingest.verify(bytes.length)
  await ingest.commit()
  return ingest
}
