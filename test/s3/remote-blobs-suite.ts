import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { digestOf, parseDigest } from '../../src/oci/digest.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import { OCI_MANIFEST, OCTET_STREAM } from '../../src/oci/media-types.ts'
import type { BlobReader } from '../../src/ports/blob-store.ts'
import type { RemoteBlob, RemoteBlobs } from '../../src/ports/remote-blobs.ts'
import type { BlobBody } from '../../src/ports/upstream.ts'
import { blobOf } from '../support/fixtures.ts'

const MiB = 1024 * 1024

/** Opens an empty store whose parts are of 5 MiB. */
export type OpenRemote = () => Promise<AsyncDisposable & { readonly blobs: RemoteBlobs }>

/** What a remote store is asked for. Every one passes it. */
export function remoteBlobsSuite(name: string, open: OpenRemote): void {
  suite(`${name}: blobs`, () => {
    test('what was put is there, whole and in ranges, under its media type', async () => {
      await using remote = await open()
      const { bytes, digest } = blobOf(100_000)
      assert.equal(await remote.blobs.stat(digest), undefined)
      assert.equal(await remote.blobs.open(digest, undefined), undefined)
      await remote.blobs.put(readerOf(bytes, { mediaType: OCI_MANIFEST, digest, size: bytes.length }))
      assert.deepEqual(await remote.blobs.stat(digest), { mediaType: OCI_MANIFEST, digest, size: 100_000 })
      const ranges = [
        undefined,
        { start: 0 },
        { start: 99_999 },
        { start: 17, end: 18 },
        { start: 5, end: 200_000 },
      ]
      for (const range of ranges) {
        const body = (await remote.blobs.open(digest, range))!
        assert.equal(body.start, range?.start ?? 0)
        assert.equal(body.total, 100_000)
        assert.deepEqual(await bytesOf(body), bytes.subarray(range?.start ?? 0, range?.end))
      }
      await assert.rejects(remote.blobs.open(digest, { start: 100_000 }), (error) =>
        isRegistryError(error, 'RANGE_INVALID'),
      )
    })

    test('empty blobs, sha512, and blobs of one part and of several are kept as they are', async () => {
      await using remote = await open()
      const empty = Buffer.alloc(0)
      const long = blobOf(12 * MiB + 7).bytes
      const part = blobOf(5 * MiB, 2).bytes
      const sha512 = parseDigest(`sha512:${'0'.repeat(128)}`)
      const blobs = [
        { bytes: empty, digest: digestOf(empty) },
        { bytes: part, digest: digestOf(part) },
        { bytes: long, digest: digestOf(long) },
        { bytes: long, digest: digestOf(long, sha512) },
      ]
      for (const { bytes, digest } of blobs) await remote.blobs.put(readerOf(bytes, digest))
      for (const { bytes, digest } of blobs) {
        assert.equal((await remote.blobs.stat(digest))?.size, bytes.length)
        const body = (await remote.blobs.open(digest, undefined))!
        assert.equal(digestOf(await bytesOf(body), digest), digest)
      }
    })

    test('bytes that do not match their digest are not stored, in one part or in several', async () => {
      await using remote = await open()
      for (const size of [1000, 11 * MiB]) {
        const { bytes, digest } = blobOf(size, 3)
        const wrong = Buffer.from(bytes)
        wrong[size - 1]! ^= 1
        await assert.rejects(remote.blobs.put(readerOf(wrong, digest)), (error) =>
          isRegistryError(error, 'STORAGE'),
        )
        assert.equal(await remote.blobs.stat(digest), undefined)
      }
    })

    test('sixteen that put the same blob at once leave one object', async () => {
      await using remote = await open()
      const { bytes, digest } = blobOf(50_000, 4)
      await Promise.all(Array.from({ length: 16 }, () => remote.blobs.put(readerOf(bytes, digest))))
      assert.deepEqual(
        (await listed(remote.blobs)).map(({ size }) => size),
        [50_000],
      )
    })

    test('all are listed, with size and date; a touch renews the date; what is deleted is gone', async () => {
      await using remote = await open()
      const blobs = [1, 2, 3, 4, 5].map((seed) => blobOf(100 * seed, seed))
      for (const { bytes, digest } of blobs) await remote.blobs.put(readerOf(bytes, digest))
      const before = await listed(remote.blobs)
      assert.deepEqual(
        before.map(({ digest, size }) => ({ digest, size })),
        blobs.map(({ bytes, digest }) => ({ digest, size: bytes.length })).toSorted(byDigest),
      )
      const [first] = before
      await remote.blobs.touch(first!.digest)
      await remote.blobs.touch(blobOf(9, 99).digest)
      const after = (await listed(remote.blobs)).find(({ digest }) => digest === first!.digest)!
      assert.ok(after.storedAt >= first!.storedAt && Math.abs(after.storedAt - Date.now()) < 60_000)
      assert.equal((await remote.blobs.stat(first!.digest))?.mediaType, OCTET_STREAM)
      await remote.blobs.delete(...blobs.map(({ digest }) => digest), blobOf(9, 99).digest)
      assert.deepEqual(await listed(remote.blobs), [])
    })
  })
}

/** Reads `bytes` in pieces, as a file may. */
export function readerOf(bytes: Buffer, of: Descriptor | Descriptor['digest']): BlobReader {
  const descriptor = typeof of === 'string' ? { mediaType: OCTET_STREAM, digest: of, size: bytes.length } : of
  return {
    descriptor,
    read: async (buffer, position) =>
      bytes.copy(buffer, 0, Math.min(position, bytes.length), Math.min(bytes.length, position + 60_000)),
    async [Symbol.asyncDispose]() {},
  }
}

export async function bytesOf(body: BlobBody): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function listed(blobs: RemoteBlobs): Promise<readonly RemoteBlob[]> {
  const all: RemoteBlob[] = []
  for await (const page of blobs.list()) all.push(...page)
  return all.toSorted(byDigest)
}

function byDigest(a: { readonly digest: string }, b: { readonly digest: string }): number {
  return a.digest < b.digest ? -1 : 1
}
