/** SEC-73: an operator who asks about everything holds nobody up. */
import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { longestTurnOf } from '../support/longest-turn.ts'
import { manyImages } from './many-images.ts'
import { pattern } from './images.ts'
import { type OpenStore, storeFolder } from './setup.ts'

const IMAGES = 10_000
/** Milliseconds of processor time that a turn of the event loop may take. It does not count what neighbours take. */
const MOST = 25

suite('SEC-73: with 10,000 images in the store', () => {
  const asked: Readonly<Record<string, (store: OpenStore) => Promise<unknown>>> = {
    'all are listed': async ({ catalogue }) =>
      assert.equal((await catalogue.images(pattern('**'), { by: 'size' })).length, IMAGES),
    'the usage is added up': async ({ catalogue }) =>
      assert.equal((await catalogue.usage()).upstreams[0]?.repositories.length, 1_000),
    'a purge is planned': async ({ catalogue }) =>
      assert.equal((await catalogue.purge(pattern('**'), { dryRun: true })).images.length, IMAGES),
  }
  for (const [what, ask] of Object.entries(asked)) {
    test(`${what} while everybody else goes on`, async () => {
      await using folder = await storeFolder()
      await (await folder.open())[Symbol.asyncDispose]()
      manyImages(folder.path, IMAGES)
      await using store = await folder.open()
      // The first use compiles the code, and starts the thread.
      await store.catalogue.images(pattern('ghcr.io/org/app-1'))
      const longest = await longestTurnOf(() => ask(store))
      assert.ok(longest <= MOST, `a turn took ${longest} ms`)
    })
  }

  test('a purge of 2,000 leaves it to another thread to write the WAL back', async (t) => {
    await using folder = await storeFolder()
    await (await folder.open())[Symbol.asyncDispose]()
    manyImages(folder.path, 2_000)
    await using store = await folder.open()
    await store.catalogue.images(pattern('ghcr.io/org/app-1'))
    const longest = await longestTurnOf(() => store.catalogue.purge(pattern('**'), { dryRun: false }))
    const { size } = await stat(join(folder.path, 'index.sqlite-wal'))
    t.diagnostic(`the longest turn took ${longest} ms, the WAL grew to ${size} bytes`)
    // SQLite itself would write it back at 32 MiB, in the middle of a change.
    assert.ok(size < 26 * 1024 * 1024, `the WAL grew to ${size} bytes`)
    assert.deepEqual(await store.catalogue.images(pattern('**')), [])
  })

  test('those of one repository are found without reading all others', async () => {
    await using folder = await storeFolder()
    await (await folder.open())[Symbol.asyncDispose]()
    manyImages(folder.path, IMAGES)
    await using store = await folder.open()
    const all = await timed(() => store.catalogue.images(pattern('**')))
    const few = await timed(() => store.catalogue.images(pattern('ghcr.io/org/app-7')))
    assert.deepEqual([all.images.length, few.images.length], [IMAGES, 10])
    assert.ok(few.milliseconds * 5 < all.milliseconds, `${few.milliseconds} of ${all.milliseconds} ms`)
    const one = few.images.find(({ tag }) => tag === 'v7')
    assert.deepEqual(
      one,
      all.images.find(({ tag }) => tag === 'v7'),
    )
  })

  test('a listing that the store is closed under ends with it', async () => {
    await using folder = await storeFolder()
    await (await folder.open())[Symbol.asyncDispose]()
    manyImages(folder.path, 2_000)
    const store = await folder.open()
    const listing = store.catalogue.images(pattern('**'))
    await Promise.all([assert.rejects(listing, { code: 'STORAGE' }), store[Symbol.asyncDispose]()])
  })
})

async function timed<T>(ask: () => Promise<T>): Promise<{ images: T; milliseconds: number }> {
  const start = performance.now()
  return { images: await ask(), milliseconds: performance.now() - start }
}
