import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { blobOf } from '../../support/fixtures.ts'
import type { OpenStore } from './store-under-test.ts'

/** How an ingest resumes from bytes that an earlier one kept. Every store passes it. */
export function resumeSuite(name: string, open: OpenStore): void {
  suite(`${name}: resumed ingests`, () => {
    const opened = () => open(Date.now)

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
  })
}
