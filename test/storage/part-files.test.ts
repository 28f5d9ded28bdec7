import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { filesAround } from '../support/fault-files.ts'
import { type Blob, blobOf } from '../support/fixtures.ts'
import { fill, holdsOnly, type OpenStore, storeFolder, type StoreFolder } from './setup.ts'

const blob = blobOf(10_000, 1)
const HOUR = 3_600_000

/** Keeps the first `count` bytes for later. */
async function keep(store: OpenStore, { bytes, digest }: Blob, count: number): Promise<void> {
  await using ingest = await store.blobs.ingest({ digest })
  await ingest.write(bytes.subarray(0, count), 0)
  await ingest.keep()
}

async function keptOf(store: OpenStore, { digest }: Blob): Promise<number> {
  await using ingest = await store.blobs.ingest({ digest })
  const { size } = ingest.filled
  await ingest.keep()
  return size
}

async function find(folder: StoreFolder, ending: '.part' | '.json', { digest } = blob): Promise<string> {
  const names = await folder.ingest()
  const name = names.find((one) => one.includes(digest.slice(7)) && one.endsWith(ending))
  return join(folder.path, 'ingest', name!)
}

suite('unfinished downloads', () => {
  test('are continued from by the next process', async () => {
    await using folder = await storeFolder()
    {
      await using store = await folder.open()
      await keep(store, blob, 4000)
      await using other = await store.blobs.ingest({ digest: blob.digest, origin: 'ghcr.io' })
      await other.write(blob.bytes.subarray(0, 3000), 0)
      await other.keep()
    }
    await using store = await folder.open()
    await using ingest = await store.blobs.ingest({ digest: blob.digest })
    await using other = await store.blobs.ingest({ digest: blob.digest, origin: 'ghcr.io' })
    assert.deepEqual([...other.filled], [{ start: 0, end: 3000 }])
    assert.deepEqual([...ingest.filled], [{ start: 0, end: 4000 }])
    await fill(ingest, blob.bytes)
    await ingest.commit()
    await other[Symbol.asyncDispose]()
    await holdsOnly(store, [blob])
    assert.deepEqual(await folder.ingest(), [])
  })

  test('nothing is kept of what had not begun', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await keep(store, blob, 0)
    assert.deepEqual(await folder.ingest(), [])
  })

  test('of two for the same content the fuller is kept', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    for (const [one, two] of [
      [3000, 5000],
      [9000, 7000],
    ] as const) {
      await using first = await store.blobs.ingest({ digest: blob.digest })
      await using second = await store.blobs.ingest({ digest: blob.digest })
      await first.write(blob.bytes.subarray(0, one), 0)
      await second.write(blob.bytes.subarray(0, two), 0)
      await first.keep()
      await second.keep()
      assert.equal((await folder.ingest()).length, 2)
      assert.equal(await keptOf(store, blob), Math.max(one, two))
    }
  })

  const notes: readonly [string, (digest: string) => string, number][] = [
    ['is empty', () => '', 0],
    ['is cut off', (digest) => `{"digest":"${digest}","filled":[[0,40`, 0],
    ['is null', () => 'null', 0],
    ['names no digest', () => '{"digest":"sha256:..","filled":[]}', 0],
    ['counts backwards', (digest) => `{"digest":"${digest}","filled":[[400,0]]}`, 0],
    ['counts below nothing', (digest) => `{"digest":"${digest}","filled":[[-5,100]]}`, 0],
    ['counts in fractions', (digest) => `{"digest":"${digest}","filled":[[0,1.5]]}`, 0],
    ['claims more than there is', (digest) => `{"digest":"${digest}","filled":[[0,${2 ** 52}]]}`, 4000],
    ['claims what is beyond the end', (digest) => `{"digest":"${digest}","filled":[[5000,6000]]}`, 0],
    ['claims the same twice', (digest) => `{"digest":"${digest}","filled":[[0,3000],[1000,2000]]}`, 3000],
  ]
  for (const [what, text, expected] of notes) {
    test(`a note that ${what} is believed for ${expected} bytes`, async () => {
      await using folder = await storeFolder()
      {
        await using store = await folder.open()
        await keep(store, blob, 4000)
      }
      const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
      const path = await find(folder, '.json')
      await writeFile(path, text(blob.digest).replace('"filled"', `"boot":"${boot}","filled"`))
      await using store = await folder.open()
      await using ingest = await store.blobs.ingest({ digest: blob.digest })
      assert.equal(ingest.filled.size, expected)
      await fill(ingest, blob.bytes)
      await ingest.commit()
      await holdsOnly(store, [blob])
      assert.deepEqual(await folder.ingest(), [])
    })
  }

  test('F68 what was left before the machine was started again is not continued from: some of it may be lost', async () => {
    await using folder = await storeFolder()
    {
      await using store = await folder.open()
      await keep(store, blob, 4000)
    }
    const path = await find(folder, '.json')
    await writeFile(path, (await readFile(path, 'utf8')).replace(/"boot":"[^"]+"/, '"boot":"another"'))
    await using store = await folder.open()
    assert.deepEqual(await folder.ingest(), [])
    await using ingest = await store.blobs.ingest({ digest: blob.digest })
    assert.equal(ingest.filled.size, 0)
  })

  test('bytes that are not what the note says spoil one ingest, not the next', async () => {
    await using folder = await storeFolder()
    await using store = await folder.open()
    await keep(store, blob, 4000)
    await writeFile(await find(folder, '.part'), Buffer.alloc(4000))
    {
      await using ingest = await store.blobs.ingest({ digest: blob.digest })
      await assert.rejects(fill(ingest, blob.bytes), { code: 'UPSTREAM_INVALID' })
    }
    await using ingest = await store.blobs.ingest({ digest: blob.digest })
    await fill(ingest, blob.bytes)
    await ingest.commit()
    await holdsOnly(store, [blob])
  })

  test('SEC-94 what cannot be continued from is removed at the start, and what the store did not make is left alone', async () => {
    await using folder = await storeFolder()
    {
      await using store = await folder.open()
      await keep(store, blob, 4000)
    }
    const note = await readFile(await find(folder, '.json'))
    const kept = await folder.ingest()
    const ingest = join(folder.path, 'ingest')
    const id = (last: number) => `sha256-${'a'.repeat(64)}-0000000${last}`
    for (const name of [`${id(1)}.part`, `${id(2)}.json`, `${id(3)}.json.new`]) {
      await writeFile(join(ingest, name), name.endsWith('.json') ? note : 'rest')
    }
    const foreign = ['a.part', '.hidden', 'sha256-abc-00000000.part']
    for (const name of foreign) await writeFile(join(ingest, name), 'of somebody else')
    await mkdir(join(ingest, `${id(4)}.part`))
    await symlink(join(ingest, 'a.part'), join(ingest, `${id(5)}.part`))
    await using store = await folder.open()
    assert.deepEqual((await folder.ingest()).toSorted(), [...kept, ...foreign].toSorted())
    assert.deepEqual(
      (await readdir(ingest)).toSorted(),
      [...kept, ...foreign, `${id(4)}.part`, `${id(5)}.part`].toSorted(),
    )
    assert.equal(await keptOf(store, blob), 4000)
  })

  test('the old are swept, and the oldest of too many; never one that is in use', async () => {
    await using folder = await storeFolder()
    const now = Date.now()
    await using store = await folder.open({ now: () => now })
    const blobs = [1, 2, 3, 4, 5].map((age) => blobOf(10_000, age))
    for (const [age, each] of blobs.entries()) {
      await keep(store, each, 1000)
      const then = new Date(now - age * HOUR)
      await utimes(await find(folder, '.part', each), then, then)
    }
    await using taken = await store.blobs.ingest({ digest: blobs[4]!.digest })
    await store.sweepPartials({ olderThan: 2.5 * HOUR, maxBytes: 2_000 })
    assert.equal(taken.filled.size, 1000)
    await fill(taken, blobs[4]!.bytes)
    assert.deepEqual(
      await Promise.all(blobs.slice(0, 4).map((each) => keptOf(store, each))),
      [1000, 1000, 0, 0],
    )
  })

  test('one that is continued from while the sweep looks at it is not swept', async () => {
    await using folder = await storeFolder()
    const looked = Promise.withResolvers<void>()
    const files = filesAround(async (operation, call) => {
      if (operation === 'modifiedAt') await looked.promise
      return call()
    })
    await using store = await folder.open({ files })
    await keep(store, blob, 4000)
    const sweeping = store.sweepPartials({ olderThan: -1, maxBytes: 0 })
    await using ingest = await store.blobs.ingest({ digest: blob.digest })
    looked.resolve()
    await sweeping
    assert.equal(ingest.filled.size, 4000)
    await fill(ingest, blob.bytes)
    await ingest.commit()
    await holdsOnly(store, [blob])
  })
})
