import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { memoryStore } from '../support/memory-store.ts'
import { blobOf } from '../support/fixtures.ts'
import { contentOf, put, storeFolder } from './setup.ts'

const [parent, child, other] = [blobOf(100, 1), blobOf(200, 2), blobOf(300, 3)]

suite('references', () => {
  for (const kind of ['memory', 'files']) {
    test(`of what is stored are recorded once, and forgotten with it: ${kind}`, async () => {
      await using folder = await storeFolder()
      await using opened = await folder.open()
      const store = kind === 'memory' ? memoryStore() : opened
      await store.references.record(parent.digest, [child.digest])
      assert.deepEqual(await store.references.of(parent.digest), [], 'it is not stored')
      await put(store, parent)
      await put(store, child)
      for (let i = 0; i < 2; i++) {
        await store.references.record(parent.digest, [child.digest, other.digest])
        const known = await store.references.of(parent.digest)
        assert.deepEqual(known.toSorted(), [child.digest, other.digest].toSorted())
      }
      await store.blobs.delete(child.digest)
      assert.equal((await store.references.of(parent.digest)).length, 2)
      await store.blobs.delete(parent.digest)
      assert.deepEqual(await store.references.of(parent.digest), [])
    })
  }

  test('recording what is recorded writes nothing', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await put(store, parent)
    await store.references.record(parent.digest, [child.digest])
    await store.references.record(parent.digest, [other.digest])
    assert.deepEqual(await store.references.of(parent.digest), [child.digest])
  })
})

test('hits are the times content was read from the store, not those it was asked about', async () => {
  await using folder = await storeFolder()
  {
    await using store = await folder.open()
    await put(store, parent)
    for (let i = 0; i < 3; i++) await contentOf(store, parent)
    await store.inventory.longestUnused({ limit: 1, except: new Set() })
    for (let i = 0; i < 2; i++) await contentOf(store, parent)
    await store.blobs.stat(parent.digest)
  }
  using index = new DatabaseSync(join(folder.path, 'index.sqlite'))
  assert.deepEqual({ ...index.prepare('SELECT hits FROM content').get() }, { hits: 5 })
})
