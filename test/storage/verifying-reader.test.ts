import assert from 'node:assert/strict'
import { open } from 'node:fs/promises'
import { mock, suite, test } from 'node:test'
import { verifyingReader } from '../../src/storage/blobs/verifying-reader.ts'
import { memoryStore } from '../support/memory-store.ts'
import { blobOf } from '../support/fixtures.ts'
import { readFrom } from '../support/rig.ts'
import { contentOf, failsFor, put, storeFolder, type StoreFolder } from './setup.ts'

const blob = blobOf(2_000_000)
const PIECE = 64 * 1024

async function flipBit(folder: StoreFolder, position: number): Promise<void> {
  await using file = await open(folder.pathOf(blob), 'r+')
  await file.write(Buffer.from([blob.bytes[position]! ^ 1]), 0, 1, position)
}

suite('F65 bit rot, found when it is read', () => {
  test('always: the last piece is withheld, the object is removed and counted, and is a miss', async () => {
    await using folder = await storeFolder()
    const told: string[] = []
    await using store = await folder.open({ verify: 'always', corrupt: (digest) => told.push(digest) })
    await put(store, blob)
    assert.deepEqual(await contentOf(store, blob), blob.bytes)
    await flipBit(folder, 1_000)
    {
      await using reader = (await store.blobs.open(blob.digest))!
      const last = blob.bytes.length - (blob.bytes.length % PIECE)
      assert.equal((await readFrom(reader, 0, last, PIECE)).length, last)
      await assert.rejects(reader.read(Buffer.alloc(PIECE), last), failsFor('ECORRUPT'))
    }
    assert.equal(await store.blobs.open(blob.digest), undefined)
    assert.deepEqual([store.evicted, told, await folder.files()], [['corrupt'], [blob.digest], []])
    await put(store, blob)
    assert.deepEqual(await contentOf(store, blob), blob.bytes)
  })

  test('what is stored again meanwhile is not removed for what was there before', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open({ verify: 'always' })
    await put(store, blob)
    await flipBit(folder, 1_000)
    await using reader = (await store.blobs.open(blob.digest))!
    await store.blobs.delete(blob.digest)
    await put(store, blob)
    await assert.rejects(readFrom(reader, 0, blob.bytes.length, PIECE), failsFor('ECORRUPT'))
    assert.deepEqual(await contentOf(store, blob), blob.bytes)
    assert.deepEqual(store.evicted, [])
  })

  for (const [what, start, end] of [
    ['a range from the start', 0, 10],
    ['a range in the middle', 1_500_000, 1_500_010],
    ['the last byte', blob.bytes.length - 1, blob.bytes.length],
  ] as const) {
    test(`always: not a byte of ${what} is given before all is verified`, async () => {
      await using folder = await storeFolder()
      await using store = await folder.open({ verify: 'always' })
      await put(store, blob)
      for (const isBad of [false, true]) {
        if (isBad) await flipBit(folder, 1_000_000)
        await using reader = (await store.blobs.open(blob.digest, { partly: true }))!
        const reading = readFrom(reader, start, end)
        if (isBad) await assert.rejects(reading, failsFor('ECORRUPT'))
        else assert.deepEqual(await reading, blob.bytes.subarray(start, end))
      }
      assert.equal(await store.blobs.stat(blob.digest), undefined)
    })
  }

  test('sample: one read in a hundred finds it, unless it is partly', async () => {
    await using folder = await storeFolder()
    const random = mock.method(Math, 'random', () => 0.01)
    try {
      await using store = await folder.open({ verify: 'sample' })
      await put(store, blob)
      await flipBit(folder, 1_000_000)
      assert.equal((await contentOf(store, blob))?.length, blob.bytes.length)
      random.mock.mockImplementation(() => 0.009)
      {
        await using reader = (await store.blobs.open(blob.digest, { partly: true }))!
        await readFrom(reader, 0, blob.bytes.length)
      }
      await assert.rejects(contentOf(store, blob), failsFor('ECORRUPT'))
      assert.equal(await contentOf(store, blob), undefined)
    } finally {
      random.mock.restore()
    }
  })

  test('never: it is not looked for', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open({ verify: 'never' })
    await put(store, blob)
    await flipBit(folder, 1_000_000)
    assert.equal((await contentOf(store, blob))?.length, blob.bytes.length)
    assert.deepEqual(store.evicted, [])
  })
})

test('a sampled read that leaps is given as it is, and hashed no further', async () => {
  const store = memoryStore()
  await put(store, blob)
  const corrupt = mock.fn(async () => {})
  await using reader = verifyingReader((await store.blobs.open(blob.digest))!, {
    strict: false,
    partly: false,
    corrupt,
  })
  assert.deepEqual(await readFrom(reader, 0, 1_000), blob.bytes.subarray(0, 1_000))
  assert.deepEqual(await readFrom(reader, 5_000, 6_000), blob.bytes.subarray(5_000, 6_000))
  assert.deepEqual(await readFrom(reader, 1_000, blob.bytes.length), blob.bytes.subarray(1_000))
  assert.equal(corrupt.mock.callCount(), 0)
})
