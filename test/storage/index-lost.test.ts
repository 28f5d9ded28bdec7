import assert from 'node:assert/strict'
import { copyFile, open, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'
import { faultFiles } from '../support/fault-files.ts'
import { blobOf, eventually } from '../support/fixtures.ts'
import { contentOf, holdsOnly, put, storeFolder, type StoreFolder } from './setup.ts'

const blobs = [blobOf(1000, 1), blobOf(2000, 2), blobOf(3000, 3)] as const
const repository = { upstream: 'docker.io', name: 'library/a' }
const indexOf = (folder: StoreFolder): string => join(folder.path, 'index.sqlite')

/** A store with three blobs, closed. */
async function storedFolder(): Promise<StoreFolder> {
  const folder = await storeFolder()
  await using store = await folder.open()
  for (const blob of blobs) await put(store, blob)
  return folder
}

suite('F69 the index is lost', () => {
  const losses: readonly [string, (path: string) => Promise<void>][] = [
    ['removed', (path) => rm(path)],
    ['emptied', (path) => truncate(path, 0)],
    ['replaced by something else', (path) => writeFile(path, 'this is no database\n'.repeat(1000))],
    ['cut off in its first page', (path) => truncate(path, 1500)],
    ['cut off after its first page', (path) => truncate(path, 4096)],
    ['overwritten from the second page on', (path) => overwrite(path, 4096)],
  ]
  for (const [what, lose] of losses) {
    test(`${what}: it is made anew from the files`, async () => {
      await using folder = await storedFolder()
      await lose(indexOf(folder))
      await using store = await folder.open()
      await holdsOnly(store, blobs)
      await store.tags.set(repository, 'latest', { digest: blobs[0].digest, checkedAt: 1 })
      await put(store, blobOf(10, 9))
      await holdsOnly(store, [...blobs, blobOf(10, 9)])
    })
  }

  test('damaged while it is open: set aside and made anew, nobody notices', async () => {
    await using folder = await storeFolder()
    const many = Array.from({ length: 400 }, (_, i) => blobOf(16, i + 1))
    {
      await using store = await folder.open()
      for (const { digest } of many) await store.links.add(repository, digest)
      for (const blob of blobs) await put(store, blob)
    }
    await using store = await folder.open()
    await overwrite(indexOf(folder), 4096)
    for (const { digest } of many) await store.links.has(repository, digest)
    await holdsOnly(store, blobs)
    await stat(`${indexOf(folder)}.corrupt`)
    await store.links.add(repository, blobs[0].digest)
    assert.equal(await store.links.has(repository, blobs[0].digest), true)
    assert.deepEqual(store.failed, [])
  })

  test('F66 SEC-94 a file is not taken for what its name says, and one of another name is left alone', async () => {
    await using folder = await storedFolder()
    const [flipped, empty, whole] = blobs
    await writeFile(folder.pathOf(flipped), Buffer.alloc(1000))
    await truncate(folder.pathOf(empty), 0)
    await writeFile(`${folder.pathOf(whole)}.tmp`, 'what is this')
    await rm(indexOf(folder))
    await using store = await folder.open()
    await holdsOnly(store, [whole])
    await eventually(async () => (await folder.files()).length === 2)
    assert.deepEqual(await folder.files(), [whole.digest, `${whole.digest}.tmp`])
    assert.deepEqual(store.evicted, ['corrupt', 'corrupt'])
  })

  test('one file that cannot be read does not keep the others out, and is tried again at the next start', async () => {
    await using folder = await storedFolder()
    await rm(indexOf(folder))
    const files = faultFiles()
    files.fail('open', 'EMFILE', { path: folder.pathOf(blobs[1]) })
    {
      await using store = await folder.open({ files })
      await holdsOnly(store, [blobs[0], blobs[2]])
      await eventually(() => store.failed.includes('rebuild'))
    }
    await using store = await folder.open()
    await holdsOnly(store, blobs)
  })

  test('a process that ends while it looks leaves the rest to the next', async () => {
    await using folder = await storedFolder()
    await rm(indexOf(folder))
    await (await folder.open()).close()
    await using store = await folder.open()
    await holdsOnly(store, blobs)
  })
})

suite('versions', () => {
  test('a store of another format is refused, and not touched', async () => {
    await using folder = await storedFolder()
    await writeFile(join(folder.path, 'FORMAT'), 'entrepot 2\n')
    const before = await folder.files()
    await assert.rejects(folder.open(), /FORMAT says "entrepot 2", this program reads "entrepot 1"/)
    assert.deepEqual(await folder.files(), before)
    await writeFile(join(folder.path, 'FORMAT'), 'entrepot 1\n')
    await using store = await folder.open()
    await holdsOnly(store, blobs)
  })

  test('a FORMAT whose line ends as on Windows is the same one', async () => {
    await using folder = await storedFolder()
    await writeFile(join(folder.path, 'FORMAT'), 'entrepot 1\r\n')
    await using store = await folder.open()
    await holdsOnly(store, blobs)
  })

  test('a FORMAT that never reached the disk is written again', async () => {
    await using folder = await storedFolder()
    await truncate(join(folder.path, 'FORMAT'), 0)
    await using store = await folder.open()
    await holdsOnly(store, blobs)
  })

  test('an index of a later version is refused, and not set aside', async () => {
    await using folder = await storedFolder()
    let current: unknown
    {
      using index = new DatabaseSync(indexOf(folder))
      current = index.prepare('PRAGMA user_version').get()!['user_version']
      index.exec('PRAGMA user_version = 99')
    }
    await assert.rejects(
      folder.open(),
      new RegExp(`index\\.sqlite is of version 99, this program reads up to ${current}`),
    )
    await assert.rejects(stat(`${indexOf(folder)}.corrupt`), { code: 'ENOENT' })
    {
      using index = new DatabaseSync(indexOf(folder))
      index.exec(`PRAGMA user_version = ${current}`)
    }
    await using store = await folder.open()
    assert.deepEqual(await contentOf(store, blobs[0]), blobs[0].bytes)
  })
})

/** Random bytes from `start` to the end, as a dying disk leaves them. */
async function overwrite(path: string, start: number): Promise<void> {
  await using file = await open(path, 'r+')
  const { size } = await file.stat()
  await file.write(blobOf(size - start, 99).bytes, 0, size - start, start)
}

test('FR-42: an older index was restored: the files that it does not know are taken in', async () => {
  await using folder = await storeFolder()
  {
    await using store = await folder.open()
    await put(store, blobs[0])
  }
  await copyFile(indexOf(folder), `${indexOf(folder)}.backup`)
  {
    await using store = await folder.open()
    await put(store, blobs[1])
    await put(store, blobs[2])
  }
  await rename(`${indexOf(folder)}.backup`, indexOf(folder))
  let looked = 0
  {
    await using store = await folder.open({ rebuilding: () => (looked += 1) })
    await holdsOnly(store, blobs)
  }
  assert.equal(looked, 1)
  await using store = await folder.open({ rebuilding: () => (looked += 1) })
  await holdsOnly(store, blobs)
  assert.equal(looked, 1, 'it is looked for once')
})
