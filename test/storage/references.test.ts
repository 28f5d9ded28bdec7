import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { Digest } from '../../src/oci/digest.ts'
import { type MemoryStore, memoryStore } from '../support/memory-store.ts'
import { blobOf } from '../support/fixtures.ts'
import { contentOf, put, type StoreFolder, storeFolder } from './setup.ts'

const [parent, child, other] = [blobOf(100, 1), blobOf(200, 2), blobOf(300, 3)]

/** What the index in this folder has recorded. */
function recordedIn({ path }: StoreFolder, manifest: Digest): readonly unknown[] {
  using index = new DatabaseSync(join(path, 'index.sqlite'), { readOnly: true })
  const rows = index.prepare('SELECT child FROM refs WHERE parent = ? ORDER BY child').all(manifest)
  return rows.map((row) => row['child'])
}

suite('references', () => {
  for (const kind of ['memory', 'files']) {
    test(`of what is stored are recorded once, and forgotten with it: ${kind}`, async () => {
      await using folder = await storeFolder()
      const memory = memoryStore()
      const change = async (task: (store: MemoryStore) => Promise<void>) => {
        await using opened = await folder.open()
        await task(kind === 'memory' ? memory : opened)
      }
      const recorded = () =>
        kind === 'memory' ? memory.referencesOf(parent.digest).toSorted() : recordedIn(folder, parent.digest)

      await change(async (store) => {
        await store.references.record(parent.digest, [child.digest])
        assert.equal(await store.references.has(parent.digest), false)
      })
      assert.deepEqual(recorded(), [], 'it is not stored')
      for (let i = 0; i < 2; i++) {
        await change(async (store) => {
          await put(store, parent)
          await put(store, child)
          await store.references.record(parent.digest, [child.digest, other.digest])
          assert.equal(await store.references.has(parent.digest), true)
        })
        assert.deepEqual(recorded(), [child.digest, other.digest].toSorted())
      }
      await change((store) => store.blobs.delete(child.digest))
      assert.equal(recorded().length, 2)
      await change(async (store) => {
        await store.blobs.delete(parent.digest)
        assert.equal(await store.references.has(parent.digest), false)
      })
      assert.deepEqual(recorded(), [])
    })
  }

  test('recording what is recorded writes nothing', async () => {
    await using folder = await storeFolder()
    {
      await using store = await folder.open()
      await put(store, parent)
      await store.references.record(parent.digest, [child.digest])
      await store.references.record(parent.digest, [other.digest])
    }
    assert.deepEqual(recordedIn(folder, parent.digest), [child.digest])
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
