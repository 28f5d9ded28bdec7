import assert from 'node:assert/strict'
import { rm, truncate, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import type { VerificationStep, VerifyOptions } from '../../src/ports/operations.ts'
import { faultFiles, filesAround } from '../support/fault-files.ts'
import { blobOf } from '../support/fixtures.ts'
import { nothingOpenBelow } from '../support/leaks.ts'
import { addImage, repository } from './images.ts'
import { holdsOnly, type OpenStore, put, storeFolder } from './setup.ts'

const numbered = (i: number) => blobOf(1_000_000 + i, i + 1)
const [good, rotten, short] = [numbered(0), numbered(1), numbered(2)]
const [missing, unreadable, other] = [numbered(3), numbered(4), numbered(5)]
const blobs = [good, rotten, short, missing, unreadable, other]
const QUICKLY = { bytesPerSecond: Number.MAX_SAFE_INTEGER }

async function verify(store: OpenStore, options: VerifyOptions = QUICKLY): Promise<VerificationStep[]> {
  return Array.fromAsync(store.verify(options))
}

suite('verification of all that is stored', () => {
  test('F65 what is bad is found, told with who contains it, removed and counted', async () => {
    await using folder = await storeFolder()
    const files = faultFiles()
    await using store = await folder.open({ files })
    for (const blob of blobs) await put(store, blob)
    await store.links.add(repository('ghcr.io/org/app'), rotten.digest)
    await writeFile(folder.pathOf(rotten), blobOf(rotten.bytes.length, 99).bytes)
    await truncate(folder.pathOf(short), 10)
    await rm(folder.pathOf(missing))
    files.fail('open', 'EIO', { path: unreadable.digest.slice(7) })
    const steps = await verify(store)
    const bad = steps.flatMap((step) => step.bad)
    const found = bad.map(({ digest, problem, repositories }) => [digest, { problem, repositories }])
    assert.deepEqual(Object.fromEntries(found), {
      [rotten.digest]: { problem: 'wrong content', repositories: ['ghcr.io/org/app'] },
      [short.digest]: { problem: 'wrong size', repositories: [] },
      [missing.digest]: { problem: 'missing', repositories: [] },
      [unreadable.digest]: { problem: 'unreadable', repositories: [] },
    })
    const last = steps.at(-1)!
    assert.deepEqual([last.isDone, last.checked.objects, last.total.objects], [true, 6, 6])
    assert.deepEqual(store.evicted, Array(4).fill('corrupt'))
    files.mend()
    await holdsOnly(store, [good, other])
    assert.deepEqual((await verify(store)).at(-1), {
      checked: { objects: 2, bytes: 2_000_005 },
      total: { objects: 2, bytes: 2_000_005 },
      bad: [],
      isDone: true,
    })
  })

  for (const operation of ['open', 'read'] as const) {
    test(`what is evicted and stored again while it is verified (${operation}) is not removed for what was there before`, async () => {
      await using folder = await storeFolder()
      const replaced = Promise.withResolvers<void>()
      let isDue = false
      const files = filesAround(async (current, call, path) => {
        if (!isDue || current !== operation || !path.includes(rotten.digest.slice(7))) return call()
        isDue = false
        if (operation === 'open') await store.blobs.delete(rotten.digest)
        const result = call()
        await Promise.allSettled([result])
        if (operation === 'read') await store.blobs.delete(rotten.digest)
        await put(store, rotten)
        replaced.resolve()
        return result
      })
      await using store = await folder.open({ files })
      await put(store, rotten)
      if (operation === 'read') await writeFile(folder.pathOf(rotten), blobOf(rotten.bytes.length, 99).bytes)
      isDue = true
      const steps = await verify(store)
      await replaced.promise
      assert.deepEqual([steps.flatMap(({ bad }) => bad), store.evicted], [[], []])
      await holdsOnly(store, [rotten])
    })
  }

  test('no faster than it is told, with steps on the way', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    for (const blob of blobs.slice(0, 2)) await put(store, blob)
    const start = performance.now()
    const steps = await verify(store, { bytesPerSecond: 2_500_000 })
    assert.ok(performance.now() - start >= 790)
    const counts = steps.map(({ checked }) => checked.bytes)
    assert.deepEqual(
      counts,
      counts.toSorted((a, b) => a - b),
    )
    assert.ok(counts.length >= 3, `${counts}`)
    assert.deepEqual([...new Set(steps.slice(0, -1).map(({ isDone }) => isDone))], [false])
  })

  test('leaving the loop, or the signal, ends it and closes its file', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    for (const blob of blobs) await put(store, blob)
    for await (const { isDone } of store.verify({ bytesPerSecond: 4_000_000 })) {
      assert.equal(isDone, false)
      break
    }
    const signal = AbortSignal.timeout(20)
    await assert.rejects(verify(store, { bytesPerSecond: 100_000, signal }), { code: 'ABORT_ERR' })
    await store.close()
    await nothingOpenBelow(folder.path)
  })

  test('an image whose layer was bad is fetched again, not forgotten', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await addImage(store, 'ghcr.io/org/app', '1', [rotten])
    await writeFile(folder.pathOf(rotten), '')
    await verify(store)
    assert.ok(await store.tags.get(repository('ghcr.io/org/app'), '1'))
    assert.equal(await store.blobs.stat(rotten.digest), undefined)
  })
})
