import assert from 'node:assert/strict'
import { rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'
import { blobOf } from '../support/fixtures.ts'
import { faultFiles } from '../support/fault-files.ts'
import { readFrom } from '../support/rig.ts'
import { contentOf, failsFor, fill, holdsOnly, put, storeFolder, type StoreFolder } from './setup.ts'

const MiB = 1024 * 1024
const large = blobOf(9 * MiB, 1)
const small = blobOf(1000, 2)
const other = blobOf(2000, 3)

/** What storing `large` does to the file system when all goes well, and which of it may fail unnoticed. */
const STEPS = `open ${'write '.repeat(8)}writeText rename write
  sync makeFolder rename syncFolder syncFolder remove remove close`.split(/\s+/)
const HARMLESS = new Set([9, 10, 17, 18, 19])

test('a read after its reader was disposed of is no failure of the store', async () => {
  await using folder = await folderWithSmall()
  await using store = await folder.open()
  const reader = await store.blobs.open(small.digest)
  assert.ok(reader !== undefined)
  await reader[Symbol.asyncDispose]()
  await assert.rejects(reader.read(Buffer.alloc(10), 0), /disposed of/)
  assert.deepEqual(store.failed, [])
})

suite('F60 F61 F75 a step that fails', () => {
  test('the steps are those that are tried here', async () => {
    await using folder = await folderWithSmall()
    const files = faultFiles()
    await using store = await folder.open({ files })
    files.log.length = 0
    await put(store, large)
    assert.deepEqual(files.log, STEPS)
  })

  for (const [step, operation] of STEPS.entries()) {
    test(`step ${step}, ${operation}`, async () => {
      await using folder = await folderWithSmall()
      const files = faultFiles()
      await using store = await folder.open({ files })
      files.fail('any', 'ENOSPC', { after: step, times: 1 })
      if (HARMLESS.has(step)) await put(store, large)
      else await assert.rejects(put(store, large), failsFor('ENOSPC'))
      await holdsOnly(store, HARMLESS.has(step) ? [small, large] : [small])
      assert.equal(store.failed.length, 1)
      if (!HARMLESS.has(step)) assert.deepEqual(await folder.files(), [small.digest])
      if (!HARMLESS.has(step)) assert.deepEqual(await folder.ingest(), [])
      await put(store, large)
      await holdsOnly(store, [small, large])
    })
  }

  test('a write that failed is tried again, and may bring other bytes than the first time', async () => {
    await using folder = await storeFolder()
    const files = faultFiles()
    await using store = await folder.open({ files })
    const { bytes, digest } = large
    await using ingest = await store.blobs.ingest({ digest })
    files.fail('write', 'ENOSPC', { times: 1 })
    await assert.rejects(ingest.write(Buffer.alloc(bytes.length), 0), failsFor('ENOSPC'))
    assert.equal(ingest.filled.size, 0)
    await ingest.write(bytes, 0)
    await ingest.verify(bytes.length)
    await ingest.commit()
    await holdsOnly(store, [large])
  })

  test('a commit that found no room is tried again', async () => {
    for (const operation of ['makeFolder', 'rename'] as const) {
      await using folder = await storeFolder()
      const files = faultFiles()
      await using store = await folder.open({ files })
      await using ingest = await store.blobs.ingest({ digest: small.digest })
      await fill(ingest, small.bytes)
      files.fail(operation, 'ENOSPC', { times: 1 })
      await assert.rejects(ingest.commit(), failsFor('ENOSPC'))
      await ingest.commit()
      await holdsOnly(store, [small])
    }
  })

  test('F75 a commit whose sync failed is not: a second sync that succeeds would prove nothing', async () => {
    for (const operation of ['sync', 'syncFolder'] as const) {
      await using folder = await storeFolder()
      const files = faultFiles()
      await using store = await folder.open({ files })
      {
        await using ingest = await store.blobs.ingest({ digest: small.digest })
        await fill(ingest, small.bytes)
        files.fail(operation, 'EIO', { times: 1 })
        await assert.rejects(ingest.commit(), failsFor('EIO'))
        await assert.rejects(ingest.commit(), failsFor('EIO'))
        assert.equal(await store.blobs.stat(small.digest), undefined)
        const buffer = Buffer.alloc(1000)
        assert.equal(await ingest.read(buffer, 0), 1000, 'clients that follow still get their bytes')
      }
      assert.deepEqual([await folder.files(), await folder.ingest()], [[], []])
    }
  })

  test('F61 an index that refuses the row fails the commit; tried again, it goes on from there', async () => {
    await using folder = await folderWithSmall()
    {
      using index = new DatabaseSync(join(folder.path, 'index.sqlite'))
      index.exec(`CREATE TABLE refusals (due INTEGER); INSERT INTO refusals VALUES (2);
        CREATE TRIGGER refuse BEFORE INSERT ON content WHEN (SELECT due FROM refusals) > 0
        BEGIN UPDATE refusals SET due = due - 1; SELECT raise(FAIL, 'not now'); END`)
    }
    await using store = await folder.open()
    await assert.rejects(put(store, other), failsFor('SQLITE_19'))
    assert.deepEqual([await folder.files(), await folder.ingest()], [[small.digest], []])
    await using ingest = await store.blobs.ingest({ digest: other.digest })
    await fill(ingest, other.bytes)
    await assert.rejects(ingest.commit(), failsFor('SQLITE_19'))
    await ingest.commit()
    await ingest.commit()
    await holdsOnly(store, [small, other])
  })

  test('a failed commit takes nothing from another that went well meanwhile', async () => {
    await using folder = await storeFolder()
    const files = faultFiles()
    await using store = await folder.open({ files })
    {
      await using ingest = await store.blobs.ingest({ digest: small.digest })
      await fill(ingest, small.bytes)
      await put(store, small)
      files.fail('syncFolder', 'EIO', { times: 1 })
      await assert.rejects(ingest.commit(), failsFor('EIO'))
    }
    await holdsOnly(store, [small])
  })
})

suite('a disk that refuses', () => {
  for (const code of ['EROFS', 'EACCES']) {
    test(`F63 ${code}: what is there is served, the rest fails, the probe tells; then all is well again`, async () => {
      await using folder = await storeFolder()
      const files = faultFiles()
      await using store = await folder.open({ files })
      await put(store, small)
      for (const operation of ['write', 'writeText', 'rename', 'remove', 'makeFolder'] as const)
        files.fail(operation, code)
      files.fail('open', code, { path: '.part' })
      assert.deepEqual(await contentOf(store, small), small.bytes)
      await assert.rejects(put(store, other), failsFor(code))
      await assert.rejects(store.probe(), { code })
      files.mend()
      await store.probe()
      await put(store, other)
      await holdsOnly(store, [small, other])
    })
  }

  test('F63 what is corrupt is a miss also where it cannot be removed', async () => {
    await using folder = await storeFolder()
    const files = faultFiles()
    await using store = await folder.open({ files })
    await put(store, small)
    await truncate(folder.pathOf(small), 0)
    files.fail('remove', 'EROFS')
    assert.equal(await store.blobs.open(small.digest), undefined)
  })

  test('F64 EMFILE is a failure and no miss: nothing is removed', async () => {
    await using folder = await storeFolder()
    const files = faultFiles()
    await using store = await folder.open({ files })
    await put(store, small)
    const kept = await store.blobs.ingest({ digest: other.digest })
    await kept.write(other.bytes.subarray(0, 1500), 0)
    await kept.keep()
    await kept[Symbol.asyncDispose]()
    files.fail('open', 'EMFILE')
    await assert.rejects(async () => store.blobs.open(small.digest), failsFor('EMFILE'))
    await assert.rejects(store.blobs.ingest({ digest: other.digest }), failsFor('EMFILE'))
    files.mend()
    assert.deepEqual(await contentOf(store, small), small.bytes)
    await using ingest = await store.blobs.ingest({ digest: other.digest })
    assert.equal(ingest.filled.size, 1500)
  })

  test('F62 EIO while it is read fails this reader, and is a miss for the next', async () => {
    await using folder = await storeFolder()
    const files = faultFiles()
    await using store = await folder.open({ files })
    await put(store, small)
    {
      await using reader = (await store.blobs.open(small.digest))!
      files.fail('read', 'EIO', { times: 1 })
      await assert.rejects(readFrom(reader, 0, 1000), failsFor('EIO'))
    }
    assert.equal(await store.blobs.open(small.digest), undefined)
    assert.deepEqual(
      { failed: store.failed, evicted: store.evicted },
      { failed: ['read'], evicted: ['corrupt'] },
    )
    await put(store, small)
    await holdsOnly(store, [small])
  })

  test('F62 EIO when it is opened is a miss', async () => {
    for (const operation of ['open', 'size'] as const) {
      await using folder = await storeFolder()
      const files = faultFiles()
      await using store = await folder.open({ files })
      await put(store, small)
      files.fail(operation, 'EIO', { times: 1 })
      assert.equal(await store.blobs.open(small.digest), undefined)
      assert.deepEqual(await folder.files(), [])
    }
  })

  test('F74 the whole folder removed at run time: misses, and a store again', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await put(store, small)
    await rm(folder.path, { recursive: true })
    assert.equal(await store.blobs.open(small.digest), undefined)
    await put(store, other)
    await holdsOnly(store, [other])
    await store.probe()
    await store.sweepPartials({ olderThan: 0, maxBytes: 0 })
    await store.close()
    await using again = await folder.open()
    await holdsOnly(again, [other])
  })
})

suite('F66 a file that is not what the index says', () => {
  for (const [what, spoil] of [
    ['empty', (path: string) => truncate(path, 0)],
    ['short', (path: string) => truncate(path, 999)],
    ['long', (path: string) => writeFile(path, '!', { flag: 'a' })],
    ['missing', (path: string) => rm(path)],
  ] as const) {
    test(`${what}: a miss, removed and counted`, async () => {
      await using folder = await storeFolder()
      await using store = await folder.open()
      await put(store, small)
      await put(store, other)
      await store.links.add({ upstream: 'docker.io', name: 'library/a' }, small.digest)
      await spoil(folder.pathOf(small))
      assert.equal(await store.blobs.open(small.digest), undefined)
      assert.equal(await store.blobs.stat(small.digest), undefined)
      assert.deepEqual(await folder.files(), [other.digest])
      assert.deepEqual(store.evicted, ['corrupt'])
      await holdsOnly(store, [other])
      await put(store, small)
      await holdsOnly(store, [small, other])
    })
  }
})

/** A store that holds `small`, closed: the next one that opens it has nothing to look for. */
async function folderWithSmall(): Promise<StoreFolder> {
  const folder = await storeFolder()
  await using store = await folder.open()
  await put(store, small)
  return folder
}
