import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { DatabaseSync } from 'node:sqlite'
import { migrate } from '../../src/storage/index/schema.ts'
import { blobOf } from '../support/fixtures.ts'
import { addImage, addIndex, pattern, repository } from './images.ts'
import { storeFolder } from './setup.ts'

const [base, one, two] = [blobOf(10_000, 1), blobOf(2_000, 2), blobOf(3_000, 3)]
const config = blobOf(0).digest

suite('pins', () => {
  test('the content of what they match is pinned, with all it refers to', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    const manifest = await addImage(store, 'ghcr.io/org/a', undefined, [base, one])
    const index = await addIndex(store, 'ghcr.io/org/a', 'v1', [manifest])
    await addImage(store, 'ghcr.io/org/a', 'v2', [two])
    assert.equal((await store.pins.content()).size, 0)
    await store.pins.add(pattern('ghcr.io/org/*:v1'))
    const pinned = await store.pins.content()
    for (const { digest } of [index, manifest, base, one]) assert.ok(pinned.has(digest))
    assert.ok(!pinned.has(two.digest) && !pinned.has(config))
    assert.equal(pinned.size, 4)
    await store.pins.remove(pattern('ghcr.io/org/*:v1'))
    assert.equal((await store.pins.content()).size, 0)
  })

  test('what is stored later is pinned a few seconds later', async () => {
    await using folder = await storeFolder()
    let now = 1_000
    await using store = await folder.open({ now: () => now, pinned: [pattern('ghcr.io/**')] })
    await addImage(store, 'ghcr.io/org/a', '1', [one])
    assert.ok((await store.pins.content()).has(one.digest))
    await addImage(store, 'ghcr.io/org/b', '1', [two])
    now += 5_001
    assert.ok((await store.pins.content()).has(two.digest))
  })

  test('a tag that is pinned is not forgotten, however long nobody asks for it', async () => {
    await using folder = await storeFolder()
    let now = 1_000
    await using store = await folder.open({ now: () => now, pinned: [pattern('ghcr.io/org/a:1')] })
    const at = repository('ghcr.io/org/a')
    const entry = { digest: one.digest, checkedAt: 1 }
    for (const tag of ['1', '2', '3']) await store.tags.set(at, tag, entry)
    await store.pins.add(pattern('ghcr.io/org/a:2'))
    now = 100_000
    assert.equal(await store.tags.removeUnusedSince(50_000), 1)
    const tags = ['1', '2', '3'].map(async (tag) => (await store.tags.get(at, tag)) !== undefined)
    assert.deepEqual(await Promise.all(tags), [true, true, false])
  })

  test('those stored when a star crossed slashes mean what they meant', async () => {
    const stored = {
      'ghcr.io/org/*': 'ghcr.io/org/**',
      'docker.io/library/node*:20*': 'docker.io/library/node**:20*',
      'example.internal:5443/*p:1*@sha256:0*': 'example.internal:5443/**p:1*@sha256:0*',
      '*@sha256:*': '**@sha256:*',
      '*': '**',
      'quay.io/org/a:v1': 'quay.io/org/a:v1',
    }
    await using folder = await storeFolder()
    await (await folder.open())[Symbol.asyncDispose]()
    {
      await rm(join(folder.path, 'index.sqlite'))
      using index = new DatabaseSync(join(folder.path, 'index.sqlite'))
      migrate(index, 5)
      for (const [at, text] of Object.keys(stored).entries())
        index.prepare('INSERT INTO pins VALUES (?, ?)').run(text, at)
    }
    for (let opened = 0; opened < 2; opened++) {
      await using store = await folder.open()
      const found = (await store.pins.list()).map(({ pattern, addedAt }) => [pattern, addedAt])
      const expected = Object.values(stored).map((text, at) => [text, at])
      assert.deepEqual(found.toSorted(), expected.toSorted())
    }
  })
})
