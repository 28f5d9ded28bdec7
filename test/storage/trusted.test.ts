import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Digest } from '../../src/oci/digest.ts'
import { storeFolder } from './setup.ts'

const digest = (i: number) => `sha256:${i.toString(16).padStart(64, '0')}` as Digest
const repository = { upstream: 'docker.io', name: 'library/app' }

test('trusted digests are bounded, belong to their repository, and outlive a restart', async () => {
  await using folder = await storeFolder()
  {
    await using store = await folder.open()
    for (let i = 0; i < 1_000; i += 1)
      assert.equal(await store.trusted.add({ repository, digest: digest(i), addedAt: i }), 'added')
    assert.equal(await store.trusted.add({ repository, digest: digest(7), addedAt: 9 }), 'known')
    assert.equal(await store.trusted.add({ repository, digest: digest(1_000), addedAt: 9 }), 'full')
  }
  await using store = await folder.open()
  const trusted = await store.trusted.of(repository)
  assert.equal(trusted.size, 1_000)
  assert.ok(!trusted.has(digest(1_000)))
  assert.equal((await store.trusted.of({ ...repository, name: 'library/web' })).size, 0)
  assert.equal(await store.trusted.remove(repository, digest(7)), true)
  assert.equal(await store.trusted.remove(repository, digest(7)), false)
  assert.deepEqual((await store.trusted.list())[0], { repository, digest: digest(0), addedAt: 0 })
})
