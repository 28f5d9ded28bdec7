import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readingPace } from '../../src/upstream/tags/reading-pace.ts'

const MiB = 1024 * 1024

test('SEC-73: the first 4 MiB of a page are read as they come, and what follows at 6 MiB a second', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let time = 0
  const pace = readingPace(new AbortController().signal, () => time)
  for (let i = 0; i < 4; i++) assert.equal(pace(MiB), undefined)
  time += 1_000
  assert.equal(pace(3 * MiB), undefined, 'an upstream that is slower waits for nothing')
  let isOver = false
  const waiting = Promise.resolve(pace(6 * MiB)).then(() => (isOver = true))
  await Promise.resolve()
  assert.ok(!isOver)
  t.mock.timers.tick(500)
  await waiting
})

test('SEC-73: a page that nobody waits for any more is not read on', async () => {
  const leaving = new AbortController()
  const waiting = readingPace(leaving.signal)(10 * MiB)
  assert.ok(waiting instanceof Promise)
  leaving.abort()
  await assert.rejects(waiting, { name: 'AbortError' })
})
