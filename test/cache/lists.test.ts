import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shortTermCache } from '../../src/cache/lists.ts'

test('lists in memory stay within their bytes, the least recently used goes first', async () => {
  const lists = shortTermCache<{ readonly bytes: number }>({
    fresh: () => 60_000,
    staleIfError: () => 0,
    maxBytes: 10_000,
    sizeOf: ({ bytes }) => bytes,
    now: () => 0,
  })
  const asked: string[] = []
  const get = (key: string, bytes: number) =>
    lists.get(key, async () => {
      asked.push(key)
      return { bytes }
    })
  await get('a', 4_000)
  await get('b', 4_000)
  await get('a', 4_000)
  assert.deepEqual(asked, ['a', 'b'])
  await get('c', 4_000)
  await get('a', 4_000)
  assert.deepEqual(asked, ['a', 'b', 'c'])
  await get('b', 4_000)
  assert.deepEqual(asked, ['a', 'b', 'c', 'b'])
  for (let i = 0; i < 2; i++) assert.equal((await get('longer than all the room', 20_000))?.bytes, 20_000)
  assert.equal(asked.length, 6)
})
