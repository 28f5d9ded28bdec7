import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { evictor } from '../../src/eviction/evictor.ts'
import { quotaStore } from '../../src/eviction/quota-store.ts'
import { blobOf } from '../support/fixtures.ts'
import { faultFiles } from '../support/fault-files.ts'
import { nothingOpenBelow } from '../support/leaks.ts'
import { tempFolder } from '../support/temp-folder.ts'
import { contentOf, failsFor, fill, holdsOnly, openStore, put, storeFolder } from './setup.ts'

const MiB = 1024 * 1024
const run = promisify(execFile)
const [first, second, third] = [blobOf(2 * MiB, 1), blobOf(2 * MiB, 2), blobOf(5 * MiB, 3)]

for (const reason of ['EDQUOT', 'ENOSPC']) {
  test(`FR-37: at ${reason} the longest unused makes room, and the write is tried once more`, async () => {
    await using folder = await storeFolder()
    const files = faultFiles()
    await using store = await folder.open({ files })
    await put(store, first)
    const evicting = evictor({
      ...store,
      store: store.blobs,
      policy: { ttl: Infinity, ttlFrom: 'use', maxSize: Infinity, minFree: 0 },
      pinned: async () => new Set(),
      partials: { sweep: async () => {}, evict: (bytes) => store.evictPartials(bytes) },
      isNearlyExhausted: () => false,
      isOut: () => false,
      telemetry: { evicted: (why) => store.evicted.push(why) },
      now: Date.now,
    })
    const blobs = quotaStore(store.blobs, evicting, {
      failed: (operation) => store.failed.push(operation),
      stored() {},
    })
    files.fail('write', reason, { times: 1 })
    await put({ blobs }, second)
    assert.deepEqual(store.evicted, ['quota'])
    await holdsOnly(store, [second])
    files.fail('write', reason, { times: 2 })
    await assert.rejects(put({ blobs }, third), failsFor(reason))
  })
}

suite('F60 F61 a disk of 8 MiB', () => {
  test('a download that does not fit fails, and goes on once something was deleted', async (context) => {
    await using disk = await smallDisk(context)
    if (disk === undefined) return
    await using store = await openStore(disk.path)
    await put(store, first)
    await put(store, second)
    {
      await using ingest = await store.blobs.ingest({ digest: third.digest })
      await assert.rejects(fill(ingest, third.bytes), failsFor('ENOSPC'))
      assert.deepEqual(await contentOf(store, first), first.bytes)
      const [oldest] = await store.inventory.longestUnused({ limit: 1, except: new Set() })
      assert.equal(oldest!.digest, first.digest)
      await store.blobs.delete(second.digest)
      await fill(ingest, third.bytes)
      await ingest.commit()
    }
    await store.blobs.delete(first.digest)
    await holdsOnly(store, [third])
  })

  test('with no byte left, what is there is served, can be deleted, and then there is room again', async (context) => {
    await using disk = await smallDisk(context)
    if (disk === undefined) return
    await using store = await openStore(disk.path)
    await put(store, first)
    await put(store, second)
    await fillUp(join(disk.path, 'filler'))
    assert.deepEqual(await contentOf(store, first), first.bytes)
    await assert.rejects(store.probe(), { code: 'ENOSPC' })
    await assert.rejects(put(store, third), failsFor('ENOSPC'))
    await store.blobs.delete(first.digest)
    await put(store, blobOf(MiB, 4))
    await holdsOnly(store, [second, blobOf(MiB, 4)])
    await store.probe()
  })

  test('minFree is left free, whatever comes: the longest unused goes before the next is written', async (context) => {
    await using disk = await smallDisk(context)
    if (disk === undefined) return
    await using store = await openStore(disk.path)
    const evicting = evictor({
      ...store,
      store: store.blobs,
      policy: { ttl: Infinity, ttlFrom: 'use', maxSize: Infinity, minFree: 2 * MiB },
      pinned: async () => new Set(),
      partials: { sweep: async () => {}, evict: (bytes) => store.evictPartials(bytes) },
      isNearlyExhausted: () => false,
      isOut: () => false,
      telemetry: { evicted: (reason) => store.evicted.push(reason) },
      now: Date.now,
    })
    const blobs = quotaStore(store.blobs, evicting, {
      failed: (operation) => store.failed.push(operation),
      stored() {},
    })
    for (let seed = 1; seed <= 20; seed++) {
      const blob = blobOf(MiB, seed)
      await put({ blobs }, blob)
      assert.deepEqual(await contentOf(store, blob), blob.bytes)
      const { freeBytes } = (await store.inventory.usage()).disk
      // The index grows too, by less than this.
      assert.ok(freeBytes > 1.5 * MiB, `${freeBytes}`)
    }
    assert.ok(store.evicted.length >= 15 && store.failed.length === 0)
    const { objects } = await store.inventory.usage()
    await assert.rejects(put({ blobs }, blobOf(7 * MiB, 30)), failsFor('EDQUOT'))
    assert.equal((await store.inventory.usage()).objects, objects)
    assert.deepEqual(store.failed, ['reserve'])
  })

  test('a process starts with no byte left', async (context) => {
    await using disk = await smallDisk(context)
    if (disk === undefined) return
    {
      await using store = await openStore(disk.path)
      await put(store, first)
    }
    await fillUp(join(disk.path, 'filler'))
    await using store = await openStore(disk.path)
    assert.deepEqual(await contentOf(store, first), first.bytes)
    await rm(join(disk.path, 'filler'))
    await put(store, second)
    await holdsOnly(store, [first, second])
  })
})

/** A tmpfs, where this process may mount one. On a CI machine it has to. */
async function smallDisk(
  context: TestContext,
): Promise<(AsyncDisposable & { readonly path: string }) | undefined> {
  const folder = await tempFolder()
  const path = join(folder.path, 'disk')
  await mkdir(path)
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', path])
  } catch (error) {
    await folder[Symbol.asyncDispose]()
    if (process.env['CI'] !== undefined) throw error
    context.diagnostic('no tmpfs can be mounted here: a full disk is only imitated, in faults.test.ts')
    return undefined
  }
  return {
    path,
    async [Symbol.asyncDispose]() {
      try {
        await nothingOpenBelow(path)
      } finally {
        await run('umount', ['--lazy', path])
        await folder[Symbol.asyncDispose]()
      }
    },
  }
}

async function fillUp(path: string): Promise<void> {
  await using file = await open(path, 'w')
  for (let size = MiB; size >= 1; size = Math.floor(size / 2)) {
    const written = file.appendFile(Buffer.alloc(size))
    const isFull = await written.then(
      () => false,
      (error: NodeJS.ErrnoException) => error.code === 'ENOSPC' || assert.fail(error),
    )
    if (!isFull) size *= 2
  }
}
