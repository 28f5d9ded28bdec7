import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { digestOf, parseDigest } from '../../../src/oci/digest.ts'
import { isRegistryError } from '../../../src/oci/errors.ts'
import { OCI_MANIFEST, OCTET_STREAM } from '../../../src/oci/media-types.ts'
import { blobOf } from '../../support/fixtures.ts'
import { readFrom } from '../../support/rig.ts'
import { type OpenStore, put } from './store-under-test.ts'

/** How content is written and read. Every store passes it. */
export function ingestSuite(name: string, open: OpenStore): void {
  suite(`${name}: content`, () => {
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
  })
}
