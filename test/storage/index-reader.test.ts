import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { isRegistryError } from '../../src/oci/errors.ts'
import { indexReader } from '../../src/storage/index/index-reader.ts'
import { blobOf } from '../support/fixtures.ts'
import { nextThread } from '../support/next-thread.ts'
import { addImage } from './images.ts'
import { storeFolder } from './setup.ts'

const IMAGES = 350
const isEnded = (error: unknown): boolean =>
  isRegistryError(error, 'STORAGE') && error.detail['reason'] === 'the thread has ended'

test('a list of which the thread ends breaks off with an error, and the next one is whole', async () => {
  await using folder = await storeFolder()
  await using store = await folder.open()
  for (let i = 0; i < IMAGES; i++) await addImage(store, 'ghcr.io/org/app', `v${i}`, [blobOf(10)])
  const reader = indexReader(pathToFileURL(join(folder.path, 'index.sqlite')), (error) =>
    Promise.reject(error),
  )
  const thread = nextThread()
  const pages = reader.read('used', 0)
  assert.ok(((await pages.next()).value ?? []).length > 0)
  await (await thread).terminate()
  // One that was read ahead may come.
  await assert.rejects(async () => {
    for await (const _ of pages);
  }, isEnded)
  assert.equal((await Array.fromAsync(reader.read('used', 0))).flat().length, IMAGES)
  await reader.close()
})
