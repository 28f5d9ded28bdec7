import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readingPace } from '../../src/upstream/body/reading-pace.ts'

const KiB = 1024
const MiB = 1024 * KiB

test('SEC-73: what is short is read as it comes, and what follows in pieces with pauses', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const pace = readingPace(undefined, () => 0)
  assert.equal(pace(64 * KiB), undefined)
  assert.equal(pace(64 * KiB), undefined)
  let isOver = false
  const waiting = Promise.resolve(pace(64 * KiB)).then(() => (isOver = true))
  await Promise.resolve()
  assert.ok(!isOver)
  t.mock.timers.tick(2)
  await waiting
})

test('SEC-73: 4 MiB of a page are read within an eighth of a second, and what follows at 6 MiB a second', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let time = 0
  const pace = readingPace(new AbortController().signal, () => time)
  async function takes(bytes: number, milliseconds: number): Promise<void> {
    let isOver = false
    const waiting = Promise.resolve(pace(bytes)).then(() => (isOver = true))
    time += milliseconds - 1
    t.mock.timers.tick(milliseconds - 1)
    await new Promise(setImmediate)
    assert.ok(!isOver)
    time += 1
    t.mock.timers.tick(1)
    await waiting
  }
  await takes(4 * MiB, 122)
  await takes(6 * MiB, 1_001)
  time += 5_000
  assert.equal(pace(16 * KiB), undefined, 'an upstream that is slower waits for nothing')
})

test('SEC-73: a page that nobody waits for any more is not read on', async () => {
  const leaving = new AbortController()
  const waiting = readingPace(leaving.signal)(10 * MiB)
  assert.ok(waiting instanceof Promise)
  leaving.abort()
  await assert.rejects(waiting, { name: 'AbortError' })
})
