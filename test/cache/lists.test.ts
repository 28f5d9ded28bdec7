import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { shortTermCache } from '../../src/cache/lists.ts'
import { RegistryError } from '../../src/oci/errors.ts'

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
  const lists = countedLists(clock, 0)
  let asked = 0
  const get = () => lists.get('a', async () => ({ asked: (asked += 1) }))
  await get()
  clock.now += 30_000
  assert.equal((await get())?.asked, 1)
  clock.now -= 86_400_000
  assert.equal((await get())?.asked, 2)
  assert.equal((await get())?.asked, 2)
})

test('a list is served stale while this machine has no thread to read the next one', async () => {
  const clock = { now: 0 }
  const lists = countedLists(clock, 3_600_000)
  await lists.get('a', async () => ({ asked: 1 }))
  clock.now += 61_000
  const results: unknown[] = []
  const failing = (code: 'NO_THREAD' | 'UNKNOWN') =>
    lists.get('a', () => Promise.reject(new RegistryError(code)), {
      report: (status) => results.push(status),
    })
  assert.equal((await failing('NO_THREAD'))?.asked, 1)
  assert.deepEqual(results, [{ result: 'stale', ttl: -1 }])
  await assert.rejects(failing('UNKNOWN'), { code: 'UNKNOWN' })
})

test('the answer to a question that nobody waits for any more is kept', async () => {
  const clock = { now: 0 }
  const lists = countedLists(clock, 3_600_000)
  let asked = 0
  const answer = Promise.withResolvers<void>()
  const ask = async () => {
    asked += 1
    if (asked === 2) await answer.promise
    return { asked }
  }
  await lists.get('a', ask)
  clock.now += 60_001
  const leave = new AbortController()
  const left = lists.get('a', ask, { signal: leave.signal })
  leave.abort()
  await assert.rejects(left)
  answer.resolve()
  await nextTurn()
  assert.equal((await lists.get('a', ask))?.asked, 2)
})

test('what may not be served stale is waited for', async (t) => {
  const clock = { now: 0 }
  const lists = countedLists(clock, 3_600_000)
  let asked = 0
  const ask = async () => {
    await nextTurn()
    return { asked: (asked += 1) }
  }
  await lists.get('a', ask)
  t.mock.method(AbortSignal, 'timeout', () => AbortSignal.abort(new DOMException('late', 'TimeoutError')))
  clock.now += 3_000_000
  assert.equal((await lists.get('a', ask))?.asked, 1)
  // The question that went on is answered.
  await nextTurn()
  await nextTurn()
  clock.now += 3_700_000
  assert.equal((await lists.get('a', ask))?.asked, 3)
})

/** Lists that are fresh for a minute. `staleIfError`: milliseconds. */
function countedLists(clock: { readonly now: number }, staleIfError: number) {
  return shortTermCache<{ readonly asked: number }>({
    fresh: () => 60_000,
    staleIfError: () => staleIfError,
    maxBytes: 10_000,
    sizeOf: () => 1,
    now: () => clock.now,
  })
}
