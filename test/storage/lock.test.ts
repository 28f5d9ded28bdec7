import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'
import { blobOf } from '../support/fixtures.ts'
import { halted } from './killed.ts'
import { put, storeFolder } from './setup.ts'

suite('F73 one process has the store', () => {
  test('a second one is refused and told which has it, and the first is not disturbed', async () => {
    await using folder = await storeFolder()
    await using child = await halted(folder.path, Infinity)
    await assert.rejects(folder.open(), new RegExp(`in use by process ${child.pid} `))
    await assert.rejects(folder.open(), new RegExp(`in use by process ${child.pid} `))
    await child.kill()
    await using store = await folder.open()
    assert.equal((await store.inventory.usage()).objects, 2)
  })

  test('so is a second one in the same process', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await assert.rejects(folder.open(), new RegExp(`in use by process ${process.pid} `))
    await put(store, blobOf(100))
  })

  test('a pid that was left behind and is somebody else by now keeps nobody out', async () => {
    await using folder = await storeFolder()
    await using first = await folder.open()
    await first.close()
    const lock = new DatabaseSync(join(folder.path, 'index.sqlite.lock'))
    lock.exec(`INSERT INTO holder VALUES (${process.ppid})`)
    lock.close()
    let looked = 0
    await using store = await folder.open({ rebuilding: () => (looked += 1) })
    await put(store, blobOf(100))
    await store.close()
    assert.equal(looked, 1)
  })

  test('a lock file that is something else is replaced', async () => {
    await using folder = await storeFolder()
    await writeFile(join(folder.path, 'index.sqlite.lock'), 'not a database '.repeat(100))
    await using store = await folder.open()
    await assert.rejects(folder.open(), /in use/)
    await put(store, blobOf(100))
  })
})
