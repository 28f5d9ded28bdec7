import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { filesAround, faultFiles } from '../support/fault-files.ts'
import { blobOf } from '../support/fixtures.ts'
import { contentOf, failsFor, fill, holdsOnly, put, storeFolder } from './setup.ts'

const COUNT = 200
const small = Array.from({ length: COUNT }, (_, number) => blobOf(2_000, number + 1))

suite('content that is committed together', () => {
  test('costs few syncs of folders, makes each folder once, and asks for nothing that is known', async () => {
    await using folder = await storeFolder()
    const files = faultFiles()
    await using store = await folder.open({ files })
    files.log.length = 0
    await Promise.all(small.map((blob) => put(store, blob)))
    await holdsOnly(store, small)
    const count = (operation: string) => files.log.filter((one) => one === operation).length
    const folders = new Set(small.map(({ digest }) => digest.slice(7, 9))).size
    assert.equal(count('makeFolder'), folders)
    assert.equal(count('rename'), COUNT)
    assert.equal(count('sync'), COUNT)
    assert.ok(count('syncFolder') < 1.5 * folders, `${count('syncFolder')} syncs of ${folders} folders`)
    assert.equal(count('remove'), 0)
    assert.ok(count('space') <= 8, `${count('space')} questions for room`)
  })

  test('is whole or not there one by one: what fails takes nothing else with it', async () => {
    for (const operation of ['sync', 'rename', 'syncFolder', 'makeFolder'] as const) {
      await using folder = await storeFolder()
      const files = faultFiles()
      await using store = await folder.open({ files })
      files.fail(operation, 'EIO', { after: 5, times: 1 })
      const results = await Promise.allSettled(small.slice(0, 50).map((blob) => put(store, blob)))
      const failed = results.filter(({ status }) => status === 'rejected')
      assert.ok(failed.length > 0 && failed.length <= 8, `${operation}: ${failed.length} failed`)
      for (const [number, { status }] of results.entries()) {
        const content = await contentOf(store, small[number]!)
        assert.deepEqual(content, status === 'rejected' ? undefined : small[number]!.bytes)
      }
      files.mend()
      for (const blob of small.slice(0, 50)) await put(store, blob)
      await holdsOnly(store, small.slice(0, 50))
    }
  })

  test('gets a folder again that was removed meanwhile', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    const [first, second] = sameFolder()
    await put(store, first)
    await store.blobs.delete(first.digest)
    assert.deepEqual(await folder.files(), [])
    await put(store, second)
    await holdsOnly(store, [second])
  })

  test('does not keep reads waiting: a thread is left for them', async () => {
    await using folder = await storeFolder()
    let syncing = 0
    let most = 0
    const files = filesAround(async (operation, call) => {
      if (operation !== 'sync' && operation !== 'syncFolder') return call()
      syncing += 1
      most = Math.max(most, syncing)
      return call().finally(() => (syncing -= 1))
    })
    await using store = await folder.open({ files })
    await Promise.all(small.map((blob) => put(store, blob)))
    assert.ok(most <= 3, `${most} syncs at once`)
  })
})

suite('short content on its way in', () => {
  test('has no file before it is committed or kept, and is read from memory', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    const [blob] = small as [(typeof small)[number]]
    await using ingest = await store.blobs.ingest({ digest: blob.digest })
    await ingest.write(blob.bytes.subarray(1_000), 1_000)
    await ingest.write(blob.bytes.subarray(0, 1_000), 0)
    assert.deepEqual(await readdir(`${folder.path}/ingest`), [])
    await ingest.verify(2_000)
    const buffer = Buffer.alloc(4_000)
    assert.equal(await ingest.read(buffer, 500), 1_500)
    assert.deepEqual(buffer.subarray(0, 1_500), blob.bytes.subarray(500))
    await ingest.commit()
    assert.equal(await ingest.read(buffer, 0), 2_000)
    await holdsOnly(store, [blob])
  })

  test('gets a file when it outgrows memory, or memory is short', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await using opened = new AsyncDisposableStack()
    const begin = async (bytes: number, seed: number) => {
      const blob = blobOf(bytes, seed)
      const ingest = opened.use(await store.blobs.ingest({ digest: blob.digest }))
      await ingest.write(blob.bytes, 0)
      return { blob, ingest }
    }
    await begin(300 * 1024, 1)
    assert.equal((await folder.ingest()).length, 1)
    const many = await Promise.all(Array.from({ length: 140 }, (_, number) => begin(256 * 1024, number + 2)))
    assert.equal((await folder.ingest()).length, 1 + 140 - 128)
    for (const { blob, ingest } of many) {
      await ingest.verify(blob.bytes.length)
      await ingest.commit()
    }
    await holdsOnly(
      store,
      many.map(({ blob }) => blob),
    )
  })

  test('that finds no room on the disk is committed when there is some', async () => {
    await using folder = await storeFolder()
    const files = faultFiles()
    await using store = await folder.open({ files })
    const blob = small[0]!
    for (const operation of ['open', 'write'] as const) {
      await using ingest = await store.blobs.ingest({ digest: blob.digest })
      await fill(ingest, blob.bytes)
      files.fail(operation, 'ENOSPC', { times: 1 })
      await assert.rejects(ingest.commit(), failsFor('ENOSPC'))
      await ingest.commit()
      await holdsOnly(store, [blob])
      await store.blobs.delete(blob.digest)
    }
    assert.deepEqual(await folder.ingest(), [])
  })
})

function sameFolder() {
  for (const first of small) {
    const second = small.find(
      ({ digest }) => digest !== first.digest && digest.slice(7, 9) === first.digest.slice(7, 9),
    )
    if (second !== undefined) return [first, second] as const
  }
  throw new Error('no two in one folder')
}
