import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storeFolder } from './setup.ts'

const repository = { upstream: 'docker.io', name: 'library/app' }
const DAY = 86_400_000

test('who has answered for a name outlives a restart, and is forgotten after three months without an answer', async () => {
  await using folder = await storeFolder()
  let now = 1_700_000_000_000
  const open = () => folder.open({ now: () => now })
  {
    await using store = await open()
    await store.endpointOwners.set(repository, 'tags', 'https://a')
    await store.endpointOwners.set(repository, 'tag v1', 'https://b')
  }
  {
    await using store = await open()
    const { get, set } = store.endpointOwners
    assert.equal(await get(repository, 'tags'), 'https://a')
    assert.equal(await get(repository, 'tag v1'), 'https://b')
    assert.equal(await get({ ...repository, upstream: 'ghcr.io' }, 'tags'), undefined)
    assert.equal(await get(repository, 'tag v2'), undefined)
    await set(repository, 'tag v1', 'https://a')
    assert.equal(await get(repository, 'tag v1'), 'https://a')
    now += 60 * DAY
    await set(repository, 'tag v1', 'https://a')
    now += 60 * DAY
    assert.equal(await get(repository, 'tag v1'), 'https://a')
    assert.equal(await get(repository, 'tags'), undefined)
  }
})
