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

test('FR-33: a list is asked for again when the clock was set back', async () => {
  const clock = { now: 1_000_000_000 }
  const lists = shortTermCache<{ readonly asked: number }>({
    fresh: () => 60_000,
    staleIfError: () => 0,
    maxBytes: 10_000,
    sizeOf: () => 1,
    now: () => clock.now,
  })
  let asked = 0
  const get = () => lists.get('a', async () => ({ asked: (asked += 1) }))
  await get()
  clock.now += 30_000
  assert.equal((await get())?.asked, 1)
  clock.now -= 86_400_000
  assert.equal((await get())?.asked, 2)
  assert.equal((await get())?.asked, 2)
})
