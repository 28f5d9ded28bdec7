import assert from 'node:assert/strict'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { type Evictor, evictor } from '../../src/eviction/evictor.ts'
import { quotaStore } from '../../src/eviction/quota-store.ts'
import type { DiskUsage } from '../../src/ports/metadata.ts'
import { realFiles } from '../../src/storage/files.ts'
import { blobOf } from '../support/fixtures.ts'
import { fill, holdsOnly, type OpenStore, put, type StoreFolder, storeFolder } from '../storage/setup.ts'

const BYTES = 1_000_000
const CONTENT = [1, 2, 3].map((seed) => blobOf(10_000, seed))
const PARTIALS = 47

/** A disk of 100 inodes and 1 MB, for what the store has written to these folders. */
function smallDisk(root: string): DiskUsage {
  const files = ['blobs', 'ingest'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).size),
  )
  const used = files.reduce((sum, size) => sum + size, 0)
  return {
    totalBytes: BYTES,
    freeBytes: BYTES - used,
    totalInodes: 100,
    freeInodes: 100 - files.length,
  }
}

async function keepPartials(store: OpenStore, count: number): Promise<void> {
  for (let seed = 0; seed < count; seed++) {
    const { bytes, digest } = blobOf(20_000, 1_000 + seed)
    await using ingest = await store.blobs.ingest({ digest })
    await ingest.write(bytes.subarray(0, 10_000), 0)
    await ingest.keep()
  }
}

/** Opens the store on such a disk. */
function openSmall(folder: StoreFolder, hasInodes: boolean): Promise<OpenStore> {
  const files = {
    ...realFiles(),
    space: async () => {
      const disk = smallDisk(folder.path)
      return hasInodes ? disk : { ...disk, totalInodes: Infinity, freeInodes: Infinity }
    },
  }
  return folder.open({ files })
}

function evictorOf(store: OpenStore, minFree: number): Evictor {
  return evictor({
    store: store.blobs,
    inventory: store.inventory,
    tags: store.tags,
    policy: { ttl: 7 * 86_400_000, ttlFrom: 'use', maxSize: Infinity, minFree },
    pinned: async () => new Set(),
    isNearlyExhausted: () => false,
    isOut: () => false,
    partials: { sweep: async () => {}, evict: (bytes) => store.evictPartials(bytes) },
    telemetry: { evicted() {} },
    // Nothing is in its grace period.
    now: () => Date.now() + 86_400_000,
  })
}

/** Fills the disk with partials, and lets them be evicted. @returns how many files of partials are left */
async function leftAfterSweep(hasInodes: boolean, minFree: number): Promise<number> {
  await using folder = await storeFolder()
  await using store = await openSmall(folder, hasInodes)
  for (const blob of CONTENT) await put(store, blob)
  await keepPartials(store, PARTIALS)
  await store.inventory.usage()
  await evictorOf(store, minFree).sweep()
  await holdsOnly(store, CONTENT)
  return (await folder.ingest()).length
}

suite('unfinished downloads go before committed content', () => {
  test('SEC-92 where inodes are short', async () => {
    assert.equal(await leftAfterSweep(true, 0), 0)
  })

  test('where bytes are short', async () => {
    assert.ok((await leftAfterSweep(false, BYTES / 2 + 150_000)) < 2 * PARTIALS)
  })
})

test('SEC-92 no more than a thousand are kept, the last ones', async () => {
  await using folder = await storeFolder()
  await using store = await folder.open()
  await keepPartials(store, 1_100)
  assert.equal((await folder.ingest()).length, 2_000)
  const { bytes, digest } = blobOf(20_000, 1_000 + 1_099)
  await using ingest = await store.blobs.ingest({ digest })
  assert.equal(ingest.filled.size, 10_000)
  await fill(ingest, bytes)
  await ingest.commit()
})

for (const sizeIsKnown of [true, false]) {
  test(`SEC-70 a download is continued on a nearly full disk, its size ${sizeIsKnown ? 'known' : 'told later'}`, async () => {
    await using folder = await storeFolder()
    await using store = await openSmall(folder, false)
    const [other, { bytes, digest }] = [blobOf(300_000, 1), blobOf(410_000, 2)]
    await put(store, other)
    {
      await using ingest = await store.blobs.ingest({ digest })
      await ingest.write(bytes.subarray(0, 400_000), 0)
      await ingest.keep()
    }
    // 300 KB are free, of which 200 KB are to stay so.
    const blobs = quotaStore(store.blobs, evictorOf(store, 200_000), { failed() {}, stored() {} })
    const size = bytes.length
    await using ingest = await blobs.ingest(sizeIsKnown ? { digest, size } : { digest })
    assert.equal(ingest.filled.size, 400_000)
    await ingest.write(bytes.subarray(400_000), 400_000, size)
    await ingest.verify(size)
    await ingest.commit()
    await holdsOnly(store, [other, { bytes, digest }])
  })
}
